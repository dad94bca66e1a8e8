{% macro matomo_page(url) -%}
    {#- The address by which Matomo identifies a page: the URL without protocol and www. url: an SQL
        expression. -#}
    regexp_replace({{ url }}, '^[a-zA-Z][a-zA-Z0-9+.-]*://(www[.])?', '')
{%- endmacro %}

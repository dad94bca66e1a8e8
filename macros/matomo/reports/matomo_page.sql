{% macro matomo_page(url) -%}
    {#- What Matomo takes for one page: its address without protocol and www. url: an SQL expression. -#}
    regexp_replace({{ url }}, '^[a-zA-Z][a-zA-Z0-9+.-]*://(www[.])?', '')
{%- endmacro %}

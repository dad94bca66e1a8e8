{% macro matomo_link_label(url) -%}
    {#- Matomo's label of a download or outlink: host and path. url: an SQL expression, text. -#}
    coalesce(
        regexp_replace(
            regexp_replace({{ url }}, '^[a-zA-Z][a-zA-Z0-9+.-]*://', ''), '^([^/?#]*)$', '$1/'
        ),
        'Page URL not defined'
    )
{%- endmacro %}

{% macro matomo_page_label(url) -%}
    {#- Matomo's label of a page: its path and query from the first slash. A folder ends with
        `index`; double slashes become one. url: an SQL expression, text. -#}
    {%- set path -%}
        regexp_replace(
            regexp_replace({{ matomo_page(url) }}, '^[^/]*/?', ''), '^((?:[^#]*/)?)(#.*)?$', '$1index$2'
        )
    {%- endset -%}
    coalesce(
        regexp_replace('/' || {{ path }}, '/+', '/'), 'Page URL not defined'
    )
{%- endmacro %}

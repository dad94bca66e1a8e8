{% macro matomo_anonymised_referrer_url(url, level) -%}
    {#- A referrer's URL, shortened by one of Matomo's levels: exclude_query, exclude_path (scheme
        and host stay; a URL without a path stays as it is), exclude_all. -#}
    {%- if level == 'exclude_query' -%}
        split_part({{ url }}, '?', 1)
    {%- elif level == 'exclude_path' -%}
        regexp_replace(
            {{ url }},
            '(?s)^(([a-zA-Z][a-zA-Z0-9+.-]*:)?//)([^/?#@]*@)?(\\[[^/?#]*\\]|[^/?#:]+)(:[0-9]+)?/.*$',
            '$1$4/'
        )
    {%- elif level == 'exclude_all' -%}
        ''
    {%- else -%}
        {{ url }}
    {%- endif -%}
{%- endmacro %}

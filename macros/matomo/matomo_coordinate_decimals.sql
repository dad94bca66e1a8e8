{% macro matomo_coordinate_decimals() -%}
    {#- The variable of that name as text: `all`, a number of decimals of a degree (2 are about a
        kilometre), or -1 to keep no coordinate. -#}
    {%- set decimals = var('matomo_coordinate_decimals', 'all') | string -%}
    {%- if not modules.re.match('(all|-1|[0-9]{1,2})$', decimals) -%}
        {%- do exceptions.raise_compiler_error(
            "matomo_coordinate_decimals: '" ~ decimals ~ "' is not allowed; use all, -1, 0, 1, 2, …"
        ) -%}
    {%- endif -%}
    {%- do return(decimals) -%}
{%- endmacro %}

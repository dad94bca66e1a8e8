{% macro matomo_coordinate(text) -%}
    {#- A latitude or longitude in degrees, rounded to `matomo_coordinate_decimals`; null if it is
        not a number of degrees or no coordinates are kept. text: an SQL expression. -#}
    {%- set decimals = matomo_coordinate_decimals() -%}
    {%- if decimals == '-1' -%}
        cast(null as double)
    {%- elif decimals == 'all' -%}
        if(abs(try_cast({{ text }} as double)) <= 180, try_cast({{ text }} as double), null)
    {%- else -%}
        if(
            abs(try_cast({{ text }} as double)) <= 180,
            round(try_cast({{ text }} as double), {{ decimals }}),
            null
        )
    {%- endif -%}
{%- endmacro %}

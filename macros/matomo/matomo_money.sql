{% macro matomo_money(text) -%}
    {#- An amount in text as decimal(18, 4), null where it is none or a trillion or more: one such amount
        in a report's decimal(18, 2) would leave no room for the others. text: an SQL expression. -#}
    if(
        abs(try_cast({{ text }} as decimal(18, 4))) < 1000000000000,
        try_cast({{ text }} as decimal(18, 4)),
        null
    )
{%- endmacro %}

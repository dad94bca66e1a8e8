{% macro matomo_money(text) -%}
    {#- An amount in text as decimal(18, 4); null if it is not an amount, or 10^12 or more in
        absolute value: one such amount would fill a report's decimal(18, 2). text: an SQL
        expression. -#}
    if(
        abs(try_cast({{ text }} as decimal(18, 4))) < 1000000000000,
        try_cast({{ text }} as decimal(18, 4)),
        null
    )
{%- endmacro %}

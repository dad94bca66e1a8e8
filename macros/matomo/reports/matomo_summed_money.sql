{% macro matomo_summed_money(amount) -%}
    {#- The sum of an amount of money, 0 for none. Amounts are bounded where documents are typed; what an
        older version stored beyond that bound gives null here, and stops no other row of the report.
        amount: an SQL expression, decimal. -#}
    try_cast(round(coalesce(sum({{ amount }}), 0), 2) as decimal(18, 2))
{%- endmacro %}

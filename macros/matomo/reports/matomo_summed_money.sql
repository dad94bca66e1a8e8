{% macro matomo_summed_money(amount) -%}
    {#- The sum of amounts of money; 0 if there are none. Amounts are bounded where documents are
        typed. If an older version stored an amount beyond that bound, the sum is null, and no other
        row of the report fails. amount: an SQL expression, decimal. -#}
    try_cast(round(coalesce(sum({{ amount }}), 0), 2) as decimal(18, 2))
{%- endmacro %}

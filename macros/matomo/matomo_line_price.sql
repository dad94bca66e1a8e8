{% macro matomo_line_price(item) -%}
    {#- The price of one unit in a line of an order or cart; null if it is not an amount, or if
        price x quantity is too large for an amount. item: an SQL expression, map<string, string>.
        -#}
    if(
        abs(
            {{ matomo_money(item ~ "['price']") }}
            * coalesce(try_cast({{ item }}['quantity'] as int), 1)
        ) < 1000000000000,
        {{ matomo_money(item ~ "['price']") }},
        null
    )
{%- endmacro %}

{% macro matomo_line_price(item) -%}
    {#- The price of a line of an order or cart, null where it is no amount or where price x quantity
        would be none. item: an SQL expression, map<string, string>. -#}
    if(
        abs(
            {{ matomo_money(item ~ "['price']") }}
            * coalesce(try_cast({{ item }}['quantity'] as int), 1)
        ) < 1000000000000,
        {{ matomo_money(item ~ "['price']") }},
        null
    )
{%- endmacro %}

{% macro matomo_whole(text) -%}
    {#- A whole number in text (a count, seconds, milliseconds) as bigint; null outside the range of
        an int. Sums of such numbers in a bigint cannot overflow in any report. text: an SQL
        expression, text or a whole number. -#}
    if(
        try_cast({{ text }} as bigint) between -2147483648 and 2147483647,
        try_cast({{ text }} as bigint),
        null
    )
{%- endmacro %}

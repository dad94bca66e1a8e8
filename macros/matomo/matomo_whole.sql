{% macro matomo_whole(text) -%}
    {#- A whole number in text (a count, seconds, milliseconds) as bigint, null where it is none of
        the range of an int: so many of them add up to a bigint that no report can overflow.
        text: an SQL expression, text or a whole number. -#}
    if(
        try_cast({{ text }} as bigint) between -2147483648 and 2147483647,
        try_cast({{ text }} as bigint),
        null
    )
{%- endmacro %}

{% macro matomo_measure(text) -%}
    {#- A number in text as double; null if it is not a number, not finite, or 10^15 or more in
        absolute value: beside such a value the others of a sum would be lost. text: an SQL
        expression. -#}
    if(abs(try_cast({{ text }} as double)) < 1e15, try_cast({{ text }} as double), null)
{%- endmacro %}

{% macro matomo_measure(text) -%}
    {#- A number in text as double, null where it is none, no finite one, or 10^15 and more, beside which
        the other values of a sum would vanish. text: an SQL expression. -#}
    if(abs(try_cast({{ text }} as double)) < 1e15, try_cast({{ text }} as double), null)
{%- endmacro %}

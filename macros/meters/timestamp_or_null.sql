{% macro timestamp_or_null(text, pattern) -%}
    {#- A time in text; null if it does not fit `pattern`. Spark also accepts a sign and a year of
        more than four digits; such a year would overflow and stop the build. text: an SQL
        expression; pattern: a Spark datetime pattern that begins with yyyy. -#}
    if({{ text }} rlike '^[0-9]{4}', try_to_timestamp({{ text }}, '{{ pattern }}'), null)
{%- endmacro %}

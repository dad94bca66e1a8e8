{% macro timestamp_or_null(text, pattern) -%}
    {#- A time in text, null where it does not fit `pattern`. A year of more than four digits, which
        Spark takes with a sign before it, would overflow and stop the build.
        text: an SQL expression; pattern: a Spark datetime pattern that begins with yyyy. -#}
    if({{ text }} rlike '^[0-9]{4}', try_to_timestamp({{ text }}, '{{ pattern }}'), null)
{%- endmacro %}

{% macro timestamp_or_null(text, pattern) -%}
    {#- A time in text, null where it does not fit `pattern`. A year of more than four digits, which
        Spark takes with a sign before it, would overflow and stop the build.
        text: an SQL expression; pattern: a Spark datetime pattern that begins with yyyy. -#}
    if({{ text }} rlike '^[0-9]{4}', try_to_timestamp({{ text }}, '{{ pattern }}'), null)
{%- endmacro %}


{% macro wall_clock_or_null(text) -%}
    {#- A time written as `yyyy-MM-dd HH:mm:ss`, without a zone; null where it is not. A cast, since it
        takes a third of the time that parsing by a pattern takes; it would take other shapes, too.
        text: an SQL expression. -#}
    if(
        {{ text }} rlike '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\z',
        try_cast({{ text }} as timestamp_ntz), null
    )
{%- endmacro %}

{% macro wall_clock_or_null(text) -%}
    {#- A time written as `yyyy-MM-dd HH:mm:ss`, without a zone; null where it is not. A cast, since it
        takes a third of the time that parsing by a pattern takes; it would take other shapes, too.
        text: an SQL expression. -#}
    if(
        {{ text }} rlike '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\z',
        try_cast({{ text }} as timestamp_ntz), null
    )
{%- endmacro %}

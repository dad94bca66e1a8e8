{% macro wall_clock_or_null(text) -%}
    {#- A time of the form `yyyy-MM-dd HH:mm:ss`, without a time zone; null if it has another form.
        A cast takes a third of the time of parsing by a pattern, but accepts other forms, so a
        regular expression checks the form. text: an SQL expression. -#}
    if(
        {{ text }} rlike '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\z',
        try_cast({{ text }} as timestamp_ntz), null
    )
{%- endmacro %}

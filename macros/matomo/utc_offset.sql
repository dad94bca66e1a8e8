{% macro utc_offset(difference) -%}
    {#- The offset of a time zone that a difference between a wall clock and UTC shows: the nearest
        quarter of an hour. null if the difference is more than a minute away from it (the two times
        are not the same moment), or beyond 14 h, the largest offset in use. difference: an SQL
        expression, seconds. -#}
    if(
        abs({{ difference }}) <= 50400
        and abs({{ difference }} - round(({{ difference }}) / 900) * 900) <= 60,
        round(({{ difference }}) / 900) * 900,
        null
    )
{%- endmacro %}

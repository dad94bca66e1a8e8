{% macro utc_offset(difference) -%}
    {#- What a difference between a wall clock and UTC says of the zone: the nearest quarter of an hour.
        Null where it is not within a minute of one (the two are not the same moment) or farther than
        14 h, which no place on earth is. difference: an SQL expression, seconds. -#}
    if(
        abs({{ difference }}) <= 50400
        and abs({{ difference }} - round(({{ difference }}) / 900) * 900) <= 60,
        round(({{ difference }}) / 900) * 900,
        null
    )
{%- endmacro %}

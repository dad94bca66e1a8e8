{% macro matomo_known_zone(zone) -%}
    {#- A time zone; null if Spark does not know it, because `from_utc_timestamp` would then stop
        the statement. A cast of a text to a time reads a zone at its end in the same way, and
        `try_cast` does not throw. zone: an SQL expression, text. -#}
    if(
        {{ zone }} rlike '^[A-Za-z+-][A-Za-z0-9+_/:-]{0,63}\\z'
        and try_cast('2024-01-01 00:00:00 ' || {{ zone }} as timestamp) is not null,
        {{ zone }},
        null
    )
{%- endmacro %}

{% macro matomo_known_zone(zone) -%}
    {#- A time zone, or null where `from_utc_timestamp` would not know it and stop the statement. Casts
        of texts to times read a zone at their end in the same way, and there is one that does not throw.
        zone: an SQL expression, text. -#}
    if(
        {{ zone }} rlike '^[A-Za-z+-][A-Za-z0-9+_/:-]{0,63}\\z'
        and try_cast('2024-01-01 00:00:00 ' || {{ zone }} as timestamp) is not null,
        {{ zone }},
        null
    )
{%- endmacro %}

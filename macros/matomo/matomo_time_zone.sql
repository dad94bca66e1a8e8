{% macro matomo_time_zone(text) -%}
    {#- A time zone as SitesManager writes it, as Spark knows it: an IANA name, or `UTC+5.5` as +05:30.
        Null where it is none, since an unknown zone would stop every build. text: an SQL expression. -#}
    case
        when {{ text }} rlike '^UTC[+-][0-9]+([.][0-9]+)?$' and abs(cast(substr({{ text }}, 4) as double)) <= 14
            then concat(
                substr({{ text }}, 4, 1),
                lpad(cast(floor(abs(cast(substr({{ text }}, 4) as double))) as string), 2, '0'), ':',
                lpad(cast(cast(
                    60 * (abs(cast(substr({{ text }}, 4) as double)) % 1) as int
                ) as string), 2, '0')
            )
        when try_to_timestamp('2024-01-01 00:00:00 ' || {{ text }}, 'yyyy-MM-dd HH:mm:ss VV') is not null
            then {{ text }}
    end
{%- endmacro %}

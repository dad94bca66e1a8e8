{% macro matomo_time_zone(text) -%}
    {#- A time zone as SitesManager writes it, as Spark knows it: an IANA name in its own letters, in
        whatever case it was sent, or `UTC+5.5` as +05:30. Null where it is none, since an unknown
        zone would stop every build. text: an SQL expression. -#}
    {%- set hours = 'try_cast(substr(trim(' ~ text ~ '), 4) as double)' -%}
    case
        when length({{ text }}) > 64 then null
        when trim({{ text }}) rlike '^(?i)UTC[+-][0-9]{1,2}([.][0-9]{1,4})?$' and abs({{ hours }}) <= 14
            then concat(
                substr(trim({{ text }}), 4, 1),
                lpad(cast(try_cast(floor(abs({{ hours }})) as int) as string), 2, '0'), ':',
                lpad(cast(try_cast(60 * (abs({{ hours }}) % 1) as int) as string), 2, '0')
            )
        -- One element, so that the lambda has it under a name.
        else get(transform(
            array(coalesce(
                get(filter(
                    array('{{ modules.pytz.all_timezones | join("', '") }}'),
                    known -> lower(known) = lower(trim({{ text }}))
                ), 0),
                trim({{ text }})
            )),
            zone -> {{ matomo_known_zone('zone') }}
        ), 0)
    end
{%- endmacro %}

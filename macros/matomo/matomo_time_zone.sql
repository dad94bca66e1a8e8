{% macro matomo_time_zone(text) -%}
    {#- A time zone of SitesManager in Spark's spelling: an IANA name in its official case, whatever
        case was sent, or `UTC+5.5` as +05:30. null if it is not a time zone, because an unknown one
        would stop every build. text: an SQL expression. -#}
    {%- set hours = 'try_cast(substr(trim(' ~ text ~ '), 4) as double)' -%}
    case
        when length({{ text }}) > 64 then null
        when trim({{ text }}) rlike '^(?i)UTC[+-][0-9]{1,2}([.][0-9]{1,4})?$' and abs({{ hours }}) <= 14
            then concat(
                substr(trim({{ text }}), 4, 1),
                lpad(cast(try_cast(floor(abs({{ hours }})) as int) as string), 2, '0'), ':',
                lpad(cast(try_cast(60 * (abs({{ hours }}) % 1) as int) as string), 2, '0')
            )
        -- An array of one element, so that the lambda can name it.
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

{% macro meter_service() -%}
    {#- The intervals of meter_park, and on how many days of each period of the CTE `calendar` they
        were in force. -#}
    select
        calendar.period,
        calendar.period_start,
        calendar.days,
        park.*,
        datediff(
            least(coalesce(park.valid_to, calendar.to_on), calendar.to_on),
            greatest(park.valid_from, calendar.from_on)
        ) as days_in_service
    from {{ ref('meter_park') }} as park
    inner join calendar
        on
            park.valid_from < calendar.to_on
            and (park.valid_to is null or park.valid_to > calendar.from_on)
{%- endmacro %}

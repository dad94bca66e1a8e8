-- The number of days of each period on which an interval of the park was in force.
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
inner join {{ ref('int_meters__calendar') }} as calendar
    on
        park.valid_from < calendar.to_on
        and (park.valid_to is null or park.valid_to > calendar.from_on)

-- Days in service on which an equipment sent no event, from the first to the last day with events
-- of any equipment. Events of wrong clocks do not extend this range.
with heard as (
    select
        periods.period,
        periods.period_start,
        counts.equipment_type,
        counts.equipment_id,
        count(distinct counts.occurred_on) as days_with_events
    from {{ ref('int_meters__calendar_counts') }} as counts
        {{ each_period('counts.occurred_on') }}
    where counts.park_key is not null
    group by
        periods.period, periods.period_start, counts.equipment_type, counts.equipment_id
)

select
    served.period,
    served.period_start,
    served.equipment_type,
    served.equipment_id,
    served.days_in_service,
    coalesce(heard.days_with_events, 0) as days_with_events,
    served.days_in_service - coalesce(heard.days_with_events, 0) as days_without_events
from (
    select
        period,
        period_start,
        equipment_type,
        equipment_id,
        sum(days_in_service) as days_in_service
    from {{ ref('int_meters__service_days') }}
    group by period, period_start, equipment_type, equipment_id
) as served
left join heard
    on
        served.period = heard.period
        and served.period_start = heard.period_start
        and served.equipment_type = heard.equipment_type
        and served.equipment_id = heard.equipment_id

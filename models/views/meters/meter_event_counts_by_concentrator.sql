-- Events per period, event type and the concentrator that served the place of the equipment.
select
    periods.period,
    periods.period_start,
    counts.event_type,
    park.concentrator_id,
    sum(counts.events) as events
from {{ ref('meter_event_counts') }} as counts
left join {{ ref('meter_park') }} as park on counts.park_key = park.park_key
    {{ each_period('counts.occurred_on') }}
group by periods.period, periods.period_start, counts.event_type, park.concentrator_id

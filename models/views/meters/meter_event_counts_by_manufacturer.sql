-- Events per period, event type and manufacturer of the equipment, with or without a place.
select
    periods.period,
    periods.period_start,
    counts.event_type,
    counts.equipment_type,
    equipment.manufacturer_id,
    sum(counts.events) as events
from {{ ref('meter_event_counts') }} as counts
left join {{ ref('meter_equipment') }} as equipment
    on
        counts.equipment_type = equipment.equipment_type
        and counts.equipment_id = equipment.equipment_id
    {{ each_period('counts.occurred_on') }}
group by
    periods.period, periods.period_start, counts.event_type, counts.equipment_type,
    equipment.manufacturer_id

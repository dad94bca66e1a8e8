-- Number of odd events per day and reason. Malformed lines and copies are in no other statistic.
-- All other events are, and may be counted here for several reasons.
with found as (
    select
        occurred_on as day,
        'late' as reason,
        events
    from {{ ref('meter_event_delays') }}
    where {{ is_late_event() }} and events > 0
    union all
    select
        occurred_on as day,
        'future' as reason,
        events
    from {{ ref('meter_event_delays') }}
    where is_future and events > 0
    union all
    select
        counts.occurred_on as day,
        'unknown_type' as reason,
        counts.events
    from {{ ref('meter_event_counts') }} as counts
    left anti join {{ ref('meter_event_types') }} as types on counts.event_type = types.event_type
    union all
    select
        counts.occurred_on as day,
        'unknown_equipment' as reason,
        counts.events
    from {{ ref('meter_event_counts') }} as counts
    left anti join {{ ref('meter_equipment') }} as equipment
        on
            counts.equipment_type = equipment.equipment_type
            and counts.equipment_id = equipment.equipment_id
    union all
    select
        counts.occurred_on as day,
        'unplaced' as reason,
        counts.events
    from {{ ref('meter_event_counts') }} as counts
    left join {{ ref('meter_park') }} as park on counts.park_key = park.park_key
    -- An installation at a place that the park does not list gives no place.
    where park.pdk_id is null or park.commune_code is null
    union all
    select
        occurred_on as day,
        'duplicate' as reason,
        1 as events
    from {{ ref('meter_event_copies') }}
    where copy_number > 1
    union all
    select
        coalesce(occurred_on, cast(received_at as date)) as day,
        'malformed' as reason,
        1 as events
    from {{ ref('meter_messages') }}
)

select
    day,
    reason,
    sum(events) as events
from found
group by day, reason

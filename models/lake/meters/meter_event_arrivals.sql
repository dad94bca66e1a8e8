{{ config(materialized='view') }}

-- Every arrival of every event. The first one is the event; the others are copies, because a
-- producer sent the event again.
select
    events.* except (source_name, reason, rejected_line),
    coalesce(copies.copy_number, 1L) as copy_number
from {{ ref('stg_meters__events') }} as events
left join {{ ref('meter_event_copies') }} as copies
    on
        events.batch_id = copies.batch_id
        and events.topic = copies.topic
        and events.partition = copies.partition
        and events.offset = copies.offset
        and events.line_index = copies.line_index
        and events.occurred_on = copies.occurred_on
where events.reason is null

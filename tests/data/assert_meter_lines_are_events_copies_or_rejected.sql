-- No line is lost: each line is an event, a copy of one, or in quarantine.
with counted as (
    select
        (select count(*) from {{ ref('stg_meters__events') }}) as lines,
        (select count(*) from {{ ref('meter_events') }}) as events,
        (select count(*) from {{ ref('meter_event_duplicates') }}) as copies,
        (select count(*) from {{ ref('meter_messages') }}) as rejected
)

select *
from counted
where lines != events + copies + rejected

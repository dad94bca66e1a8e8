-- Events on the days of the calendar, without events from the future.
with range_of_days as (
    select
        min(from_on) as from_on,
        max(to_on) as to_on
    from {{ ref('int_meters__calendar') }}
)

select
    counts.* except (events, future_events),
    counts.events - counts.future_events as events
from {{ ref('meter_event_counts') }} as counts
inner join range_of_days
    on
        counts.occurred_on >= range_of_days.from_on
        and counts.occurred_on < range_of_days.to_on
where counts.events > counts.future_events

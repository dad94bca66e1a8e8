-- The aggregate counts each event of the lake once.
with counts as (
    select
        occurred_on,
        sum(events) as events
    from {{ ref('meter_event_counts') }}
    group by occurred_on
),

events as (
    select
        occurred_on,
        count(*) as events
    from {{ ref('meter_events') }}
    group by occurred_on
)

select
    coalesce(counts.occurred_on, events.occurred_on) as occurred_on,
    counts.events as counted,
    events.events as in_lake
from counts
full outer join events on counts.occurred_on = events.occurred_on
where counts.events is distinct from events.events

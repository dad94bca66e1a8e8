-- The periods that the views about rates, days without events and changes use: days, weeks, months
-- and years from the first to the last day with events. Events of wrong clocks do not count.
with first_and_last as (
    select
        min(occurred_on) as first_on,
        max(occurred_on) as last_on
    from {{ ref('meter_event_delays') }}
    where
        not is_future
        -- Copies without their event leave a row with 0 events.
        and events > 0
        and delay_minutes <= {{ var('meter_clock_wrong_after_days') }} * 24 * 60
),

all_days as (
    select explode(sequence(first_on, last_on)) as day
    from first_and_last
)

select
    periods.period,
    periods.period_start,
    min(day) as from_on,
    date_add(max(day), 1) as to_on,
    count(*) as days
from all_days
    {{ each_period('day') }}
group by periods.period, periods.period_start

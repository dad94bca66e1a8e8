-- Time from occurrence to arrival of events. Delays are stored in whole minutes, rounded up, so
-- percentiles are too. A percentile is the smallest delay that this share of the events does not
-- exceed.
with delays as (
    select
        periods.period,
        periods.period_start,
        delays.delay_minutes,
        sum(delays.events) as events,
        max(delays.max_delay_seconds) as max_delay_seconds
    from {{ ref('meter_event_delays') }} as delays
        {{ each_period('delays.occurred_on') }}
    where not delays.is_future and delays.events > 0
    group by periods.period, periods.period_start, delays.delay_minutes
),

summed as (
    select
        *,
        sum(events) over (
            partition by period, period_start order by delay_minutes
        ) as events_up_to,
        sum(events) over (partition by period, period_start) as all_events
    from delays
)

select
    period,
    period_start,
    sum(events) as events,
    min(if(events_up_to >= all_events * 0.50, delay_minutes, null)) as median_delay_minutes,
    min(if(events_up_to >= all_events * 0.95, delay_minutes, null)) as p95_delay_minutes,
    max(max_delay_seconds) as max_delay_seconds
from summed
group by period, period_start

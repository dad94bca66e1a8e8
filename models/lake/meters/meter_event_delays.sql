{% set days = touched(ref('meter_event_arrivals'), 'occurred_on') %}
{{ config(
    materialized='incremental',
    incremental_strategy='replace_where',
    replace_key='occurred_on'
) }}

-- Events per day and delay in whole minutes, for medians and percentiles of any period. The days
-- that new events touch are counted again as a whole.
with delays as (
    select
        batch_id,
        occurred_on,
        copy_number,
        {{ is_future_event() }} as is_future,
        unix_timestamp(arrived_at_local) - unix_timestamp(occurred_at_local) as delay_seconds
    from {{ ref('meter_event_arrivals') }}
    where {{ near_days(days) }}
)

-- Copies do not count as events, but their batch_id does: otherwise each build would count their
-- days again.
select
    max(batch_id) as batch_id,
    occurred_on,
    is_future,
    cast(ceil(delay_seconds / 60) as bigint) as delay_minutes,
    count_if(copy_number = 1) as events,
    max(delay_seconds) as max_delay_seconds
from delays
group by occurred_on, is_future, cast(ceil(delay_seconds / 60) as bigint)

{{ config(materialized='incremental', incremental_strategy='append') }}

-- Arrivals of an event that had arrived before, in the same batch or years earlier. Only the days
-- that the new batches touch are searched.
{% set events = '(select * from ' ~ ref('stg_meters__events') ~ ' where reason is null)' %}
{% set near = near_days(touched(events, 'occurred_on')) %}
{% set is_new = new_batches() %}
with numbered as (
    select
        arrivals.*,
        row_number() over (
            partition by {{ meter_event_content('arrivals') }}
            order by batch_id, topic, partition, offset, line_index
        ) as copy_number
    from {{ ref('stg_meters__events') }} as arrivals
    -- Nearly every event arrives once. Hashes find candidates, and only these are compared whole.
    left semi join {{ meter_event_suspects(near, is_new) }} as suspects
        on {{ meter_event_hash() }} = suspects.event_hash
    where arrivals.reason is null and {{ near }}
)

select
    batch_id,
    topic,
    partition,
    offset,
    line_index,
    occurred_on,
    cast(copy_number as bigint) as copy_number
from numbered
where copy_number > 1 and {{ is_new }}
union all
-- A row with the newest batch that was read. Without it, batches without copies would be read again
-- by each build.
select
    max(batch_id) as batch_id,
    cast(null as string) as topic,
    cast(null as int) as partition,
    cast(null as bigint) as offset,
    cast(null as int) as line_index,
    cast(null as date) as occurred_on,
    cast(null as bigint) as copy_number
from {{ ref('stg_meters__events') }}
where {{ is_new }}
having max(batch_id) is not null

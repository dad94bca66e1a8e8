{{ config(
    materialized='incremental',
    incremental_strategy='append',
    partition_by=['occurred_month']
) }}

-- Every event once, by the month when it occurred. A producer that sends an event again, in the
-- same batch or years later, adds nothing.
{% set months = touched(ref('stg_meters__events'), "trunc(occurred_on, 'month')") %}
with events as (
    select *
    from {{ ref('stg_meters__events') }}
    where reason is null and {{ new_batches() }}
    qualify row_number() over (
        partition by event_key order by batch_id, topic, partition, offset, line_index
    ) = 1
)
{%- if is_incremental() %},

held as (
    select event_key
    from {{ this }}
    where {{ one_of('occurred_month', months) }}
)
{%- endif %}

select
    events.event_key,
    events.batch_id,
    events.event_id,
    events.occurred_at_local,
    events.occurred_on,
    events.arrived_at_local,
    events.received_at,
    events.event_type,
    events.equipment_type,
    events.equipment_id,
    events.info,
    cast(trunc(events.occurred_on, 'month') as date) as occurred_month
from events
{% if is_incremental() %}
left anti join held on events.event_key = held.event_key
{% endif %}

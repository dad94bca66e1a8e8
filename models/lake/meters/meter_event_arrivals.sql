{{ config(
    materialized='incremental',
    incremental_strategy='append',
    partition_by=['occurred_month']
) }}

-- Every arrival of every event, by the month when it occurred. The first one is the event, the
-- others are copies that a producer sent again, in the same batch or years later.
{% set days = touched(ref('stg_meters__events'), 'occurred_on') %}
-- The first build reads all there is. It asks for the suspects before: a few are named, so that
-- nobody looks for them again; more, that the driver can hold, Spark sends to the events; else it
-- sorts all events by their hashes.
{% set named, hint = none, '' %}
{% if execute and not is_incremental() and load_relation(ref('stg_meters__events')) is not none %}
    {% set repeated, hashes = run_query(
        "select count(*), "
        ~ "if(count(*) <= 10000, 'array(' || array_join(collect_list(event_hash), ', ') || ')', null) "
        ~ 'from (select ' ~ meter_event_hash() ~ ' as event_hash from ' ~ ref('stg_meters__events')
        ~ ' where reason is null group by event_hash having count(*) > 1 limit 1000001)'
    ).rows[0].values() %}
    {% set named = hashes %}
    {% set hint = '/*+ broadcast(suspects) */' if repeated <= 1000000 else '' %}
{% endif %}
with fresh as (
    select
        batch_id,
        topic,
        partition,
        offset,
        line_index,
        received_at,
        event_id,
        occurred_at_local,
        occurred_on,
        arrived_at_local,
        event_type,
        equipment_type,
        equipment_id,
        info,
        cast(trunc(occurred_on, 'month') as date) as occurred_month,
        {{ meter_event_hash() }} as event_hash
    from {{ ref('stg_meters__events') }}
    where reason is null and {{ new_batches() }}
),

held as (
    {% if is_incremental() %}
    select
        {{ meter_event_hash() }} as event_hash,
        {{ meter_event_content() }} as content,
        count(*) as copies
    from {{ this }}
    where {{ near_days(days) }}
    group by event_hash, content
    {% else %}
    select
        {{ meter_event_hash() }} as event_hash,
        {{ meter_event_content() }} as content,
        0L as copies
    from fresh
    where false
    {% endif %}
),

-- Nearly every event comes once. Hashes find the few that may not; only these are compared whole.
suspects as (
    {% if named is not none %}
    select explode(cast({{ named }} as array<bigint>)) as event_hash
    {% else %}
    select event_hash from fresh
    group by event_hash
    having count(*) > 1
    union
    select event_hash from held
    {% endif %}
),

numbered as (
    select {{ hint }}
        *,
        1L as copy_number
    from fresh
    left anti join suspects on fresh.event_hash = suspects.event_hash
    union all
    select
        compared.* except (held_copies),
        held_copies + row_number() over (
            partition by {{ meter_event_content() }}
            order by batch_id, topic, partition, offset, line_index
        ) as copy_number
    from (
        select {{ hint }}
            fresh.*,
            coalesce(held.copies, 0L) as held_copies
        from fresh
        left semi join suspects on fresh.event_hash = suspects.event_hash
        left join held
            on
                fresh.event_hash = held.event_hash
                and {{ meter_event_content('fresh') }} = held.content
    ) as compared
)

select * except (event_hash)
from numbered

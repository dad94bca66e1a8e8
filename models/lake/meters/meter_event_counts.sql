{% set days = touched(ref('meter_event_arrivals'), 'occurred_on') %}
{% set known_at = newest_of(
    'select greatest(known_from, coalesce(known_to, known_from)) as at from '
    ~ ref('meter_park_history')
) %}
{% set placed_at = newest_of('select max(placed_at) as at from ' ~ this) if is_incremental() %}
{{ config(
    materialized='incremental',
    incremental_strategy='merge_near',
    unique_key=['occurred_on', 'event_type', 'equipment_type', 'equipment_id'],
    near='occurred_on'
) }}

-- Events per day, type and equipment, with the interval of the park in which the day lies: the
-- small table that all statistics add up. The days that new events touch are counted again. If
-- intervals of an equipment changed, its rows are placed again, and written if their place differs.
with counted as (
    -- Copies do not count as events, but their batch_id does: otherwise each build would count
    -- their days again.
    select
        max(batch_id) as batch_id,
        occurred_on,
        event_type,
        equipment_type,
        equipment_id,
        count_if(copy_number = 1) as events,
        count_if(copy_number = 1 and {{ is_future_event() }}) as future_events
    from {{ ref('meter_event_arrivals') }}
    where {{ near_days(days) }}
    group by occurred_on, event_type, equipment_type, equipment_id
),

park as (
    select
        park_key,
        equipment_type,
        equipment_id,
        valid_from,
        valid_to
    from {{ ref('meter_park') }}
),
{% if is_incremental() and known_at != placed_at %}

moved as (
    select
        equipment_type,
        equipment_id,
        min(valid_from) as moved_from,
        max(coalesce(valid_to, date '9999-12-31')) as moved_to
    from {{ ref('meter_park_history') }}
    where greatest(known_from, coalesce(known_to, known_from)) > {{ placed_at }}
    group by equipment_type, equipment_id
),
{% endif %}

placed as (
    select
        counted.batch_id,
        counted.occurred_on,
        counted.event_type,
        counted.equipment_type,
        counted.equipment_id,
        counted.events,
        counted.future_events,
        park.park_key,
        true as is_new
    from counted
    left join park
        on
            counted.equipment_type = park.equipment_type
            and counted.equipment_id = park.equipment_id
            and counted.occurred_on >= park.valid_from
            and (park.valid_to is null or counted.occurred_on < park.valid_to)
    {%- if is_incremental() and known_at != placed_at %}
    union all
    select
        held.batch_id,
        held.occurred_on,
        held.event_type,
        held.equipment_type,
        held.equipment_id,
        held.events,
        held.future_events,
        park.park_key,
        park.park_key is distinct from held.park_key as is_new
    from {{ this }} as held
    inner join moved
        on
            held.equipment_type = moved.equipment_type
            and held.equipment_id = moved.equipment_id
            and held.occurred_on >= moved.moved_from
            and held.occurred_on < moved.moved_to
    left join park
        on
            held.equipment_type = park.equipment_type
            and held.equipment_id = park.equipment_id
            and held.occurred_on >= park.valid_from
            and (park.valid_to is null or held.occurred_on < park.valid_to)
    left anti join counted
        on
            held.occurred_on = counted.occurred_on
            and held.event_type = counted.event_type
            and held.equipment_type = counted.equipment_type
            and held.equipment_id = counted.equipment_id
    {%- endif %}
)

select
    batch_id,
    occurred_on,
    event_type,
    equipment_type,
    equipment_id,
    park_key,
    events,
    future_events,
    {{ known_at }} as placed_at
from placed
where is_new

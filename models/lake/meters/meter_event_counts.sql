{% set days = touched(ref('meter_events'), 'occurred_on') %}
{{ config(
    materialized='incremental',
    incremental_strategy='replace_where',
    replace_key='occurred_on'
) }}

-- Events per day, type and equipment: the small table that every statistic adds up. Days that new
-- events touch are counted again, whole.
select
    max(batch_id) as batch_id,
    occurred_on,
    event_type,
    equipment_type,
    equipment_id,
    count(*) as events
from {{ ref('meter_events') }}
where {{ one_of('occurred_on', days) if is_incremental() else 'true' }}
group by occurred_on, event_type, equipment_type, equipment_id

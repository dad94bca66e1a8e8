{{ config(materialized='view') }}

-- Meaning of each known event type.
select
    event_type,
    equipment_type,
    category as event_category,
    severity as event_severity,
    label as event_label
from {{ ref('meter_event_codes') }}

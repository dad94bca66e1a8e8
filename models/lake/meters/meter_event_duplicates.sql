{{ config(materialized='view') }}

-- Arrivals of events that had arrived before. Only meter_data_quality counts them.
select
    {{ surrogate_key([meter_event_content()]) }} as event_key,
    * except (occurred_month)
from {{ ref('meter_event_arrivals') }}
where copy_number > 1

{{ config(materialized='view') }}

-- Arrivals of events that were there already; they are counted nowhere else.
select
    {{ surrogate_key([meter_event_content()]) }} as event_key,
    * except (occurred_month)
from {{ ref('meter_event_arrivals') }}
where copy_number > 1

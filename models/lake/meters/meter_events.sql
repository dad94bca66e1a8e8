{{ config(materialized='view') }}

-- Every event once: its first arrival.
select
    {{ surrogate_key([meter_event_content()]) }} as event_key,
    * except (topic, partition, offset, line_index, copy_number)
from {{ ref('meter_event_arrivals') }}
where copy_number = 1

{{ config(materialized='view') }}

-- The place of each meter and concentrator over time, as it is known now.
select * except (version_key, row_hash, known_from, known_to)
from {{ ref('meter_park_history') }}
where known_to is null

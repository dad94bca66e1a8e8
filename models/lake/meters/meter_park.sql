{{ config(materialized='view') }}

-- Where each meter and concentrator was, and when, by all that is known now.
select * except (version_key, row_hash, known_from, known_to)
from {{ ref('meter_park_history') }}
where known_to is null

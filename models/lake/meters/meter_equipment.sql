{{ config(materialized='view') }}

-- Every meter and concentrator that the park knows, installed or not.
select
    equipment_type,
    equipment_id,
    manufacturer_id
from {{ ref('snap_park__equipment') }}
where dbt_valid_to is null

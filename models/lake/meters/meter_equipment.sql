{{ config(materialized='view') }}

-- Every meter and concentrator that the park lists or once listed, installed or not.
select
    equipment_type,
    equipment_id,
    manufacturer_id
from {{ ref('snap_park__equipment') }}
qualify row_number() over (
    partition by equipment_type, equipment_id
    order by dbt_valid_to desc nulls first, dbt_valid_from desc
) = 1

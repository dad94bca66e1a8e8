{{ config(
    materialized='incremental', incremental_strategy='merge', unique_key='custom_dimension_key'
) }}

-- Every custom dimension there ever was, as it was last: values of the past keep their names.
with dimensions as (
    select
        custom_dimension_key,
        batch_id,
        exported_at,
        site_id,
        custom_dimension_id,
        name,
        slot_index,
        scope,
        is_active,
        is_case_sensitive,
        extractions,
        dbt_valid_to is null as is_current,
        row_hash
    from {{ ref('snap_matomo__custom_dimensions') }}
    qualify row_number() over (partition by custom_dimension_key order by dbt_valid_from desc) = 1
)

select dimensions.*
from
    dimensions
{%- if is_incremental() %}
left join {{ this }} as held on dimensions.custom_dimension_key = held.custom_dimension_key
-- A dimension that is closed has no newer batch, so what differs is written and nothing else.
where dimensions.row_hash is distinct from held.row_hash or dimensions.is_current != held.is_current
{%- endif %}

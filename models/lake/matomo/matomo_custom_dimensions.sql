{{ config(
    materialized='incremental', incremental_strategy='merge', unique_key='custom_dimension_key'
) }}

-- Every custom dimension that a catalogue ever listed, in its newest state, so that old values keep
-- the name of their dimension.
with dimensions as (
    select
        dimensions.custom_dimension_key,
        dimensions.batch_id,
        dimensions.exported_at,
        dimensions.site_id,
        dimensions.custom_dimension_id,
        dimensions.name,
        dimensions.slot_index,
        dimensions.scope,
        dimensions.is_active,
        dimensions.is_case_sensitive,
        dimensions.extractions,
        listed.custom_dimension_key is not null as is_current,
        dimensions.row_hash
    from {{ ref('stg_matomo__custom_dimensions') }} as dimensions
    left join {{ ref('int_matomo__listed_custom_dimensions') }} as listed
        on dimensions.custom_dimension_key = listed.custom_dimension_key
    where dimensions.custom_dimension_key is not null
    qualify
        row_number() over (
            partition by dimensions.custom_dimension_key
            -- The listed state; otherwise the newest one with a name.
            order by
                dimensions.row_hash is distinct from listed.row_hash, dimensions.name is null,
                dimensions.exported_at desc, dimensions.offset desc, dimensions.row_hash asc
        ) = 1
)

select dimensions.*
from
    dimensions
{%- if is_incremental() %}
left join {{ this }} as held on dimensions.custom_dimension_key = held.custom_dimension_key
-- A dimension that is closed gets no newer batch, so rows are compared instead of batches.
where
dimensions.row_hash is distinct from held.row_hash
or dimensions.is_current != held.is_current
{%- endif %}

{{ config(materialized='incremental', incremental_strategy='append') }}

-- One row per custom dimension and message: Matomo sends the whole catalogue of a site. An empty
-- catalogue is one row without a dimension, because it means that all earlier dimensions are gone.
with dimensions as (
    select
        batch_id,
        topic,
        partition,
        offset,
        document_index,
        exported_at,
        site_id,
        is_catalogue,
        try_cast(fields['idcustomdimension'] as int) as custom_dimension_id,
        fields['name'] as name,
        try_cast(fields['index'] as int) as slot_index,
        fields['scope'] as scope,
        lower(fields['active']) in ('1', 'true') as is_active,
        lower(fields['case_sensitive']) in ('1', 'true') as is_case_sensitive,
        fields['extractions'] as extractions
    from {{ ref('stg_matomo__documents') }}
    where message_type = 'custom_dimensions' and reason is null and {{ new_batches() }}
)

select
    case
        when custom_dimension_id is not null
            then {{ surrogate_key(['site_id', 'custom_dimension_id']) }}
    end as custom_dimension_key,
    {{ row_hash([
        'name', 'slot_index', 'scope', 'is_active', 'is_case_sensitive', 'extractions'
    ]) }} as row_hash,
    *
from dimensions

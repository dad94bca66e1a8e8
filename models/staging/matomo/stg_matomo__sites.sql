{{ config(materialized='incremental', incremental_strategy='append') }}

-- One row per site and message of SitesManager; a field that the message lacks is null.
with sites as (
    select
        batch_id,
        topic,
        partition,
        offset,
        document_index,
        exported_at,
        site_id,
        fields['name'] as name,
        nullif(fields['main_url'], '') as main_url,
        {{ matomo_time_zone("fields['timezone']") }} as time_zone,
        nullif(fields['currency'], '') as currency,
        lower(fields['ecommerce']) in ('1', 'true') as has_ecommerce
    from {{ ref('stg_matomo__documents') }}
    where message_type = 'sites' and reason is null and {{ new_batches() }}
)

select
    {{ row_hash(['name', 'main_url', 'time_zone', 'currency', 'has_ecommerce']) }} as row_hash,
    *
from sites

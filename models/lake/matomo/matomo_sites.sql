{{ config(materialized='incremental', incremental_strategy='merge', unique_key='site_id') }}

-- Sites in their newest state, if Matomo was asked for them.
select
    site_id,
    batch_id,
    exported_at,
    name,
    main_url,
    time_zone,
    currency,
    has_ecommerce
from {{ ref('snap_matomo__sites') }}
where dbt_valid_to is null and {{ new_batches(clock=ref('stg_matomo__documents')) }}

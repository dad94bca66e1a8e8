{{ config(materialized='table') }}

{{ latest_changes(
    ref('stg_matomo__visits'),
    key='visit_key',
    snapshot='snap_matomo__visits',
    version=matomo_visit_version_order(),
    block='visit_block',
    clock=ref('stg_matomo__visits')
) }}

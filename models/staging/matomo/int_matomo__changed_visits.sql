{{ config(materialized='table') }}

{{ latest_changes(
    ref('stg_matomo__visits'),
    key='visit_key',
    snapshot='snap_matomo__visits',
    version=[
        'last_action_at', 'exported_at', 'action_count', 'visit_duration_seconds', 'row_hash'
    ],
    block='visit_block',
    clock=ref('stg_matomo__visits')
) }}

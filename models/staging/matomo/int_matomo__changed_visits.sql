{{ config(materialized='table') }}

{{ latest_changes(
    ref('stg_matomo__visits'),
    key='visit_key',
    snapshot='snap_matomo__visits',
    version=['last_action_at', 'exported_at', 'offset', 'document_index']
) }}

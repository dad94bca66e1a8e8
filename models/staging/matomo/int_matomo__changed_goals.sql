{{ config(materialized='table') }}

{{ latest_changes(
    ref('stg_matomo__goals'),
    key='goal_key',
    snapshot='snap_matomo__goals',
    version=['exported_at', 'offset', 'document_index']
) }}

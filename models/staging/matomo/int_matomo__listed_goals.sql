{{ config(materialized='view') }}

{{ listed_now(
    ref('stg_matomo__goals'),
    key='goal_key',
    snapshot='snap_matomo__goals',
    version=['exported_at', 'offset', 'partition', 'topic']
) }}

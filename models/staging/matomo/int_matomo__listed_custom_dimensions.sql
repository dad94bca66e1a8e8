{{ config(materialized='view') }}

{{ listed_now(
    ref('stg_matomo__custom_dimensions'),
    key='custom_dimension_key',
    snapshot='snap_matomo__custom_dimensions',
    version=['exported_at', 'offset', 'partition', 'topic']
) }}

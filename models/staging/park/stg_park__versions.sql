{{ config(
    materialized='incremental',
    incremental_strategy='merge_near',
    unique_key=['version'],
    near='raw_table'
) }}

-- depends_on: {{ source('raw', 'loader_batches') }}
-- Every examined import of the park: its figures, and whether it is current or held.
{{ park_versions() }}

-- Imports of the park that lost too much to be used by themselves, while an older one stays current.
select
    park_table,
    version,
    batch_id,
    committed_at,
    reason,
    base_version as current_version,
    base_key_count as keys_before,
    key_count as keys_now,
    kept_count as keys_kept,
    concat(
        'dbt run-operation accept --args ''{version: ', version, ', reason: …}'''
    ) as accept_command
from {{ ref('stg_park__versions') }}
where is_held

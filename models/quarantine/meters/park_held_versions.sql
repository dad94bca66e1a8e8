-- Held imports of the park: they lost too much to be used without a person's decision; an older one
-- stays in use.
select
    versions.park_table,
    versions.version,
    versions.batch_id,
    versions.committed_at,
    versions.reason,
    versions.base_version as current_version,
    versions.base_key_count as keys_before,
    versions.key_count as keys_now,
    versions.kept_count as keys_kept,
    rejected.version is not null as is_rejected,
    concat(
        'dbt run-operation accept --args ''{version: ', versions.version, ', reason: …}'''
    ) as accept_command
from {{ ref('stg_park__versions') }} as versions
left join {{ versions_decided('reject') }} as rejected on versions.version = rejected.version
where versions.is_held

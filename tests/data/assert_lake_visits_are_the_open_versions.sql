-- The lake has the current version of each visit, and no other rows.
with open_versions as (
    select
        visit_key,
        action_count,
        last_action_at
    from {{ ref('snap_matomo__visits') }}
    where dbt_valid_to is null
)

select
    coalesce(lake.visit_key, open_versions.visit_key) as visit_key,
    lake.action_count as in_lake,
    open_versions.action_count as in_snapshot
from {{ ref('matomo_visits') }} as lake
full outer join open_versions on lake.visit_key = open_versions.visit_key
where
    lake.last_action_at is distinct from open_versions.last_action_at
    or lake.action_count is distinct from open_versions.action_count

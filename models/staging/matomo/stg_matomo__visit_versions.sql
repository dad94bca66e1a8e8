{{ config(materialized='view') }}

-- The complete history of each visit. It does not depend on how exports were batched, repeated or
-- ordered. A version begins at its export, but at least one millisecond after the previous one.
with exports as (
    select
        *,
        lag(row_hash) over (
            partition by visit_key
            order by {{ matomo_visit_version_order() | join(', ') }}
        ) as previous_hash
    from {{ ref('stg_matomo__visits') }}
),

versions as (
    select
        *,
        row_number() over (
            partition by visit_key
            order by {{ matomo_visit_version_order() | join(', ') }}
        ) as version_number
    from exports
    where row_hash is distinct from previous_hash
),

begun as (
    select
        *,
        timestamp_millis(
            version_number + max(unix_millis(exported_at) - version_number) over (
                partition by visit_key order by version_number
            )
        ) as valid_from
    from versions
)

select
    visit_key,
    site_id,
    visit_id,
    version_number,
    valid_from,
    lead(valid_from) over (partition by visit_key order by version_number) as valid_to,
    row_hash,
    exported_at,
    last_action_at,
    action_count,
    visit_duration_seconds,
    batch_id,
    topic,
    partition,
    offset,
    document_index
from begun

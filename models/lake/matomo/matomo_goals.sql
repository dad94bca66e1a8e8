{{ config(materialized='incremental', incremental_strategy='merge', unique_key='goal_key') }}

-- Every goal there ever was, as it was last: visits of the past keep their names. A goal that the
-- newest catalogue lists no more is not current.
with goals as (
    select
        goal_key,
        batch_id,
        exported_at,
        site_id,
        goal_id,
        name,
        description,
        match_attribute,
        pattern,
        pattern_type,
        is_case_sensitive,
        allows_multiple,
        revenue,
        uses_event_value_as_revenue,
        dbt_valid_to is null and not is_deleted as is_current,
        row_hash
    from {{ ref('snap_matomo__goals') }}
    qualify row_number() over (partition by goal_key order by dbt_valid_from desc) = 1
)

select goals.*
from
    goals
{%- if is_incremental() %}
left join {{ this }} as held on goals.goal_key = held.goal_key
-- A goal that is closed has no newer batch, so what differs is written and nothing else.
where goals.row_hash is distinct from held.row_hash or goals.is_current != held.is_current
{%- endif %}

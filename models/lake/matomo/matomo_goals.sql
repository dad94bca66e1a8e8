{{ config(materialized='incremental', incremental_strategy='merge', unique_key='goal_key') }}

-- Every goal that a catalogue ever listed, in its newest state, so that goals of old visits keep
-- their names. A goal that the catalogue in use does not list is not current.
with goals as (
    select
        goals.goal_key,
        goals.batch_id,
        goals.exported_at,
        goals.site_id,
        goals.goal_id,
        goals.name,
        goals.description,
        goals.match_attribute,
        goals.pattern,
        goals.pattern_type,
        goals.is_case_sensitive,
        goals.allows_multiple,
        goals.revenue,
        goals.uses_event_value_as_revenue,
        listed.goal_key is not null and not goals.is_deleted as is_current,
        goals.row_hash
    from {{ ref('stg_matomo__goals') }} as goals
    left join {{ ref('int_matomo__listed_goals') }} as listed on goals.goal_key = listed.goal_key
    where goals.goal_key is not null
    qualify
        row_number() over (
            partition by goals.goal_key
            -- The listed state; otherwise the newest one with a name.
            order by
                goals.row_hash is distinct from listed.row_hash, goals.name is null,
                goals.exported_at desc, goals.offset desc, goals.row_hash asc
        ) = 1
)

select goals.*
from
    goals
{%- if is_incremental() %}
left join {{ this }} as held on goals.goal_key = held.goal_key
-- A goal that is closed gets no newer batch, so rows are compared instead of batches.
where
goals.row_hash is distinct from held.row_hash or goals.is_current != held.is_current
{%- endif %}

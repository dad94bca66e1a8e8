{{ config(materialized='incremental', incremental_strategy='append') }}

-- One row per goal and message: Goals.getGoals sends the whole catalogue of a site. An empty
-- catalogue is one row without a goal, because it means that all earlier goals are gone.
with goals as (
    select
        batch_id,
        topic,
        partition,
        offset,
        document_index,
        exported_at,
        site_id,
        is_catalogue,
        try_cast(fields['idgoal'] as int) as goal_id,
        fields['name'] as name,
        nullif(fields['description'], '') as description,
        fields['match_attribute'] as match_attribute,
        fields['pattern'] as pattern,
        fields['pattern_type'] as pattern_type,
        coalesce(lower(fields['case_sensitive']) in ('1', 'true'), false) as is_case_sensitive,
        coalesce(lower(fields['allow_multiple']) in ('1', 'true'), false) as allows_multiple,
        {{ matomo_money("fields['revenue']") }} as revenue,
        coalesce(lower(fields['event_value_as_revenue']) in ('1', 'true'), false)
            as uses_event_value_as_revenue,
        coalesce(lower(fields['deleted']) in ('1', 'true'), false) as is_deleted
    from {{ ref('stg_matomo__documents') }}
    where message_type = 'goals' and reason is null and {{ new_batches() }}
)

select
    case
        when goal_id is not null then {{ surrogate_key(['site_id', 'goal_id']) }}
    end as goal_key,
    {{ row_hash([
        'name', 'description', 'match_attribute', 'pattern', 'pattern_type', 'is_case_sensitive',
        'allows_multiple', 'revenue', 'uses_event_value_as_revenue', 'is_deleted'
    ]) }} as row_hash,
    *
from goals

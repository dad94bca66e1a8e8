{{ config(
    materialized='incremental',
    incremental_strategy='replace_keys',
    unique_key='action_key',
    replace_key='visit_key'
) }}

-- What visitors did, one row per action of a visit as it is now. All actions of a visit that
-- changed are replaced at once.
with changed_visits as (
    select
        *,
        posexplode_outer(actions) as (ordinal, action)
    from {{ ref('snap_matomo__visits') }}
    where dbt_valid_to is null and {{ new_batches() }}
)

select
    case
        when action is not null then {{ surrogate_key(['visit_key', 'action.position']) }}
    end as action_key,
    visit_key,
    batch_id,
    site_id,
    visit_id,
    coalesce(cast(action.occurred_at_local as date), visit_date) as action_date,
    action.position as action_position,
    action.action_type,
    action.occurred_at_local,
    timestamp_seconds(
        unix_seconds(cast(action.occurred_at_local as timestamp)) - site_utc_offset_seconds
    ) as occurred_at,
    action.page_id,
    action.page_view_id,
    action.url_id,
    action.url,
    action.title,
    action.time_spent_seconds,
    action.load_time_ms,
    action.search_keyword,
    action.search_category,
    action.search_result_count,
    action.event_category,
    action.event_action,
    action.event_name,
    action.event_value,
    action.content_name,
    action.content_piece,
    action.content_target,
    action.content_interaction,
    action.goal_id,
    action.goal_page_id,
    action.order_id,
    action.revenue,
    action.revenue_subtotal,
    action.revenue_tax,
    action.revenue_shipping,
    action.revenue_discount,
    action.item_count,
    action.items,
    action.custom_dimensions
from changed_visits
{%- if not is_incremental() %}
where action is not null
{%- endif %}

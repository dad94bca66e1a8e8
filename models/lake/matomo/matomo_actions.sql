{{ config(
    materialized='incremental',
    incremental_strategy='replace_keys',
    unique_key='action_key',
    replace_key='visit_key',
    near='visit_block'
) }}

-- What visitors did, one row per action of a visit as it is now. All actions of a visit that
-- changed are replaced at once.
with changed_visits as (
    select
        *,
        filter(
            actions, each -> each.action_type not in ('goal', 'order', 'abandoned_cart')
        ) as done,
        filter(
            actions, each -> each.action_type = 'page' and each.url is not null
        ) as pages,
        filter(actions, each -> each.action_type in ('page', 'search')) as viewed,
        filter(
            actions,
            each -> each.action_type in ('page', 'search')
            and coalesce(each.title, each.search_keyword) is not null
        ) as titled,
        posexplode_outer(actions) as (ordinal, action)
    from {{ matomo_changed_visits() }} as visits
),

actions as (
    select
        *,
        get(done, 0) as first_action,
        get(viewed, size(viewed) - 1) as last_view,
        -- Actions have an id of Matomo's, conversions have none: the same ones are numbered.
        row_number() over (
            partition by
                visit_key, action.action_type, action.page_id, action.goal_id,
                action.order_id, action.occurred_at_local
            order by action.position
        ) as same_number
    from changed_visits
)

select
    case
        when action is not null
            then {{ surrogate_key([
                'visit_key', 'action.action_type', 'action.page_id', 'action.goal_id',
                'action.order_id', 'action.occurred_at_local', 'same_number'
            ]) }}
    end as action_key,
    visit_key,
    batch_id,
    site_id,
    visit_id,
    visit_block,
    visit_date,
    coalesce(cast(action.occurred_at_local as date), visit_date) as action_date,
    action.position as action_position,
    action.action_type,
    action.occurred_at_local,
    {{ matomo_utc('action.occurred_at_local', 'actions') }} as occurred_at,
    action.page_id,
    action.page_view_id,
    action.url_id,
    action.url,
    action.title,
    action.time_spent_seconds,
    action.load_time_ms,
    -- As Matomo's tracker notes them: a visit that begins with a search, or a page without URL, has
    -- no entry URL, one that ends so no exit URL; other actions before or after do not matter. A
    -- title is an entry's only of the very first action.
    coalesce(
        action.position = get(pages, 0).position
        and first_action.action_type != 'search'
        and (first_action.action_type != 'page' or first_action.url is not null),
        false
    ) as is_entry_url,
    coalesce(
        action.position = last_view.position and action.action_type = 'page'
        and action.url is not null,
        false
    ) as is_exit_url,
    coalesce(
        action.position = first_action.position and action.position = get(titled, 0).position,
        false
    ) as is_entry_title,
    coalesce(action.position = get(titled, size(titled) - 1).position, false) as is_exit_title,
    coalesce(action.position = get(done, size(done) - 1).position, false) as is_last,
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
    action.product_sku,
    action.product_name,
    action.product_price,
    action.product_categories,
    action.goal_id,
    action.order_id,
    action.revenue,
    action.custom_dimensions,
    action.custom_variables,
    action_count as visit_action_count,
    visit_duration_seconds,
    is_converted,
    visitor_key,
    user_id,
    visitor_type,
    device_type,
    country_code
from actions
{%- if not is_incremental() %}
where action is not null
{%- endif %}

{{ config(
    materialized='incremental',
    incremental_strategy='replace_keys',
    unique_key='action_key',
    replace_key='visit_key',
    near='visit_block'
) }}

-- Actions of visits as they are now, one row each. All actions of a changed visit are replaced at
-- once.
with marked_visits as (
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
        ) as titled
    from {{ ref('int_matomo__current_visits') }}
    where {{ matomo_new_visits() }}
),

-- Positions of the entries and exits of a visit, found before its actions are unfolded, by the
-- rules of Matomo's tracker. A visit that begins with a search or a page without URL has no entry
-- URL; a visit that ends with one has no exit URL; other actions before or after do not matter. A
-- title is the entry only if it belongs to the very first action.
placed_visits as (
    select
        * except (done, pages, viewed, titled),
        if(
            get(done, 0).action_type = 'search'
            or (get(done, 0).action_type = 'page' and get(done, 0).url is null),
            null,
            get(pages, 0).position
        ) as entry_url_at,
        if(
            get(viewed, size(viewed) - 1).action_type = 'page'
            and get(viewed, size(viewed) - 1).url is not null,
            get(viewed, size(viewed) - 1).position,
            null
        ) as exit_url_at,
        if(
            get(titled, 0).position = get(done, 0).position, get(titled, 0).position, null
        ) as entry_title_at,
        get(titled, size(titled) - 1).position as exit_title_at,
        get(done, size(done) - 1).position as last_at
    from marked_visits
),

-- A separate step: an expression beside an unfolding is computed once per action, from copies.
changed_visits as (
    select
        *,
        posexplode_outer(actions) as (ordinal, action)
    from placed_visits
),

actions as (
    select
        *,
        -- Matomo gives ids to actions but not to conversions, so equal conversions are numbered.
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
    coalesce(action.position = entry_url_at, false) as is_entry_url,
    coalesce(action.position = exit_url_at, false) as is_exit_url,
    coalesce(action.position = entry_title_at, false) as is_entry_title,
    coalesce(action.position = exit_title_at, false) as is_exit_title,
    coalesce(action.position = last_at, false) as is_last,
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

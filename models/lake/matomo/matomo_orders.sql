{{ config(
    materialized='incremental',
    incremental_strategy='replace_keys',
    unique_key='order_key',
    replace_key='visit_key',
    near='visit_block'
) }}

-- Orders as they are now, one row each.
with changed_visits as (
    select
        *,
        posexplode_outer(filter(actions, each -> each.action_type = 'order')) as (ordinal, ordered)
    from {{ ref('int_matomo__current_visits') }}
    where {{ matomo_new_visits() }}
)

select
    case
        when ordered is not null
            then {{ surrogate_key([
                'site_id', 'coalesce(ordered.order_id, visit_key || ordinal)'
            ]) }}
    end as order_key,
    visit_key,
    batch_id,
    site_id,
    visit_id,
    visit_block,
    ordered.order_id,
    coalesce(cast(ordered.occurred_at_local as date), visit_date) as order_date,
    ordered.occurred_at_local,
    {{ matomo_utc('ordered.occurred_at_local', 'changed_visits') }} as occurred_at,
    ordered.revenue,
    ordered.revenue_subtotal,
    ordered.revenue_tax,
    ordered.revenue_shipping,
    ordered.revenue_discount,
    ordered.item_count,
    visitor_key,
    user_id,
    visitor_type,
    device_type,
    country_code
from changed_visits
where {{ 'true' if is_incremental() else 'ordered is not null' }}
-- An order belongs to one visit. If it is sent twice, one row is kept.
qualify
    row_number() over (
        partition by site_id, coalesce(ordered.order_id, visit_key || ordinal)
        order by visit_key, ordinal
    ) = 1

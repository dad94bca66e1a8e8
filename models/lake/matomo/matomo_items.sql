{{ config(
    materialized='incremental',
    incremental_strategy='replace_keys',
    unique_key='item_key',
    replace_key='visit_key',
    near='visit_block'
) }}

-- Lines of orders and abandoned carts of visits as they are now.
with changed_visits as (
    select
        *,
        explode_outer(filter(
            actions, each -> each.action_type in ('order', 'abandoned_cart')
        )) as purchase
    from {{ ref('int_matomo__current_visits') }}
    where {{ matomo_new_visits() }}
),

-- All columns that the lines need. Without this step each unfolded line would copy the whole
-- purchase.
purchases as (
    select
        * except (purchase, actions),
        purchase.position,
        purchase.action_type as purchase_type,
        purchase.order_id,
        purchase.occurred_at_local,
        purchase.items
    from changed_visits
),

lines as (
    select
        * except (items),
        posexplode_outer(items) as (line_index, item)
    from purchases
)

select
    case
        when item is not null
            then {{ surrogate_key(['visit_key', 'position', 'line_index']) }}
    end as item_key,
    visit_key,
    batch_id,
    site_id,
    visit_id,
    visit_block,
    purchase_type,
    case
        when item is not null then {{ surrogate_key(['visit_key', 'position']) }}
    end as purchase_key,
    order_id,
    coalesce(cast(occurred_at_local as date), visit_date) as purchase_date,
    item.sku,
    item.name,
    item.categories,
    item.price,
    item.quantity,
    visitor_key,
    visitor_type,
    device_type,
    country_code
from lines
{%- if not is_incremental() %}
where item is not null
{%- endif %}

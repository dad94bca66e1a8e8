{{ config(
    materialized='incremental',
    incremental_strategy='replace_keys',
    unique_key='conversion_key',
    replace_key='visit_key',
    near='visit_block'
) }}

-- Goals, orders and abandoned carts of visits as they are now, with the dimensions of their visit.
-- Numbered as in Matomo: an order is goal 0, an abandoned cart is goal -1.
with changed_visits as (
    select
        *,
        posexplode_outer(filter(
            actions, each -> each.action_type in ('goal', 'order', 'abandoned_cart')
        )) as (ordinal, conversion)
    from {{ ref('int_matomo__current_visits') }}
    where {{ matomo_new_visits() }}
),

conversions as (
    select
        *,
        row_number() over (
            partition by
                visit_key, conversion.action_type, conversion.goal_id,
                conversion.order_id, conversion.occurred_at_local
            order by conversion.position
        ) as same_number
    from changed_visits
)

select
    case
        when conversion is not null
            then {{ surrogate_key([
                'visit_key', 'conversion.action_type', 'conversion.goal_id', 'conversion.order_id',
                'conversion.occurred_at_local', 'same_number'
            ]) }}
    end as conversion_key,
    visit_key,
    batch_id,
    site_id,
    visit_id,
    visit_block,
    visit_date,
    coalesce(cast(conversion.occurred_at_local as date), visit_date) as conversion_date,
    conversion.action_type as conversion_type,
    case conversion.action_type
        when 'order' then 0
        when 'abandoned_cart' then -1
        else conversion.goal_id
    end as goal_id,
    conversion.occurred_at_local,
    {{ matomo_utc('conversion.occurred_at_local', 'conversions') }} as occurred_at,
    conversion.url,
    conversion.goal_page_id,
    conversion.order_id,
    conversion.revenue,
    conversion.revenue_subtotal,
    conversion.revenue_tax,
    conversion.revenue_shipping,
    conversion.revenue_discount,
    conversion.item_count,
    conversion.items,
    is_converted,
    -- The referrer that Matomo credits for the conversion may be one of an earlier visit.
    coalesce(conversion.referrer_type, referrer_type) as referrer_type,
    if(conversion.referrer_type is null, referrer_name, conversion.referrer_name) as referrer_name,
    if(conversion.referrer_type is null, referrer_keyword, conversion.referrer_keyword)
        as referrer_keyword,
    {%- for column in matomo_visit_dimensions() %}
    {{ column }},
    {%- endfor %}
    custom_dimensions
from conversions
{%- if not is_incremental() %}
where conversion is not null
{%- endif %}

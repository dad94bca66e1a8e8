{% macro matomo_items_by(label, purchase, undefined, many=false) -%}
    {#-
        A report about products: orders (or abandoned carts) and views of the products' pages. As in
        Matomo, a product with several categories counts in each of them. An order (or the cart of a
        visit) with a product on several lines counts once; its price is the sum of the lines'
        prices.
        label: sku, name or categories (with `many`); purchase: order or abandoned_cart; undefined:
        label of products that have no label.
    -#}
    {%- set orders = 'orders' if purchase == 'order' else 'abandoned_carts' -%}
    {%- set viewed = 'product_' ~ label -%}
    with bought as (
        select
            site_id,
            purchase_date as day,
            {%- if many %}
            coalesce({{ matomo_decoded('label') }}, '{{ undefined }}') as label,
            coalesce(place, 0) as place,
            {%- else %}
            coalesce({{ matomo_decoded(label) }}, '{{ undefined }}') as label,
            0 as place,
            {%- endif %}
            {{ 'purchase_key' if purchase == 'order' else 'visit_key' }} as purchase,
            price,
            quantity
        from {{ ref('matomo_items') }}
            {%- if many %}
            lateral view outer posexplode(categories) exploded as place, label
            {%- endif %}
        where purchase_type = '{{ purchase }}'
    ),

    views as (
        select
            site_id,
            action_date as day,
            {%- if many %}
            coalesce({{ matomo_decoded('label') }}, '{{ undefined }}') as label,
            coalesce(place, 0) as place,
            {%- else %}
            {{ matomo_decoded(viewed) }} as label,
            0 as place,
            {%- endif %}
            visit_key,
            visitor_key,
            product_price
        from {{ ref('matomo_actions') }}
            {%- if many %}
            lateral view outer posexplode(product_categories) exploded as place, label
        where
            action_type = 'page'
            and (label is not null or product_sku is not null or product_name is not null)
            {%- else %}
        where action_type = 'page' and {{ viewed }} is not null
            {%- endif %}
    ),

    facts as (
        select bought.*, cast(null as string) as visit_key, cast(null as string) as visitor_key,
            cast(null as decimal(18, 4)) as product_price, true as is_purchase
        from bought
        union all
        select site_id, day, label, place, cast(null as string) as purchase,
            cast(null as decimal(18, 4)) as price, cast(null as int) as quantity,
            visit_key, visitor_key, product_price, false as is_purchase
        from views
    ),

    sums as (
        select
            site_id,
            periods.period,
            periods.period_start,
            label,
            coalesce(round(sum(price * quantity), 2), 0) as revenue,
            coalesce(sum(quantity), 0) as quantity,
            count(distinct if(is_purchase, struct(place, purchase), null)) as {{ orders }},
            count(distinct if(is_purchase, null, struct(place, visit_key))) as nb_visits,
            count(distinct if(visitor_key is null, null, struct(place, visitor_key))) as nb_uniq_visitors,
            count_if(not is_purchase) as nb_actions,
            round(coalesce(try_divide(sum(price), {{ orders }}), avg(product_price), 0), 2) as avg_price
        from facts
            {{ each_period('day') }}
        group by site_id, periods.period, periods.period_start, label
    )

    select
        site_id,
        period,
        period_start,
        label,
        try_cast(revenue as decimal(18, 2)) as revenue,
        quantity,
        {{ orders }},
        nb_visits,
        nb_uniq_visitors,
        nb_actions,
        try_cast(avg_price as decimal(18, 2)) as avg_price,
        {{ matomo_ratio('quantity', orders, 1) }} as avg_quantity,
        {{ matomo_ratio(orders, 'nb_visits', 4) }} as conversion_rate
    from sums
{%- endmacro %}

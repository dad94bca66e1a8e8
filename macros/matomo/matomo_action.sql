{% macro matomo_action(action, position) -%}
    {#- One entry of Matomo's `actionDetails` as a struct of typed fields. action: an SQL
        expression, map<string, string>; position: its index, from 0.
        Times are the site's wall clock, because Matomo encodes that as if it were UTC. -#}
    named_struct(
        'position', {{ position }},
        'action_type', case {{ action }}['type']
            when 'action' then 'page'
            when 'ecommerceOrder' then 'order'
            when 'ecommerceAbandonedCart' then 'abandoned_cart'
            when '13' then 'content'
            else {{ action }}['type']
        end,
        'occurred_at_local',
        cast(timestamp_seconds({{ epoch_seconds(action ~ "['timestamp']") }}) as timestamp_ntz),
        'page_id', try_cast({{ action }}['pageId'] as bigint),
        'page_view_id', {{ action }}['idpageview'],
        'url_id', try_cast({{ action }}['pageIdAction'] as bigint),
        'url', nullif({{ action }}['url'], ''),
        'title', nullif({{ action }}['pageTitle'], ''),
        'time_spent_seconds', {{ matomo_whole(action ~ "['timeSpent']") }},
        'load_time_ms', {{ matomo_whole(action ~ "['pageLoadTimeMilliseconds']") }},
        'search_keyword', nullif({{ action }}['siteSearchKeyword'], ''),
        'search_category', nullif({{ action }}['siteSearchCategory'], ''),
        'search_result_count', {{ matomo_whole(action ~ "['siteSearchCount']") }},
        'event_category', nullif({{ action }}['eventCategory'], ''),
        'event_action', nullif({{ action }}['eventAction'], ''),
        'event_name', nullif({{ action }}['eventName'], ''),
        'event_value', {{ matomo_measure(action ~ "['eventValue']") }},
        'content_name', nullif({{ action }}['contentName'], ''),
        'content_piece', nullif({{ action }}['contentPiece'], ''),
        'content_target', nullif({{ action }}['contentTarget'], ''),
        'content_interaction', nullif({{ action }}['contentInteraction'], ''),
        'goal_id', try_cast({{ action }}['goalId'] as int),
        'goal_page_id', try_cast({{ action }}['goalPageId'] as bigint),
        'referrer_type', nullif({{ action }}['referrerType'], ''),
        'referrer_name', nullif({{ action }}['referrerName'], ''),
        'referrer_keyword', nullif({{ action }}['referrerKeyword'], ''),
        'order_id', nullif({{ action }}['orderId'], ''),
        'revenue', {{ matomo_money(action ~ "['revenue']") }},
        'revenue_subtotal', {{ matomo_money(action ~ "['revenueSubTotal']") }},
        'revenue_tax', {{ matomo_money(action ~ "['revenueTax']") }},
        'revenue_shipping', {{ matomo_money(action ~ "['revenueShipping']") }},
        'revenue_discount', {{ matomo_money(action ~ "['revenueDiscount']") }},
        'item_count', try_cast({{ action }}['items'] as int),
        'items', transform(
            from_json({{ action }}['itemDetails'], 'array<map<string, string>>'),
            item -> named_struct(
                'sku', nullif(item['itemSKU'], ''),
                'name', nullif(item['itemName'], ''),
                'categories', {{ matomo_categories("item['categories']", "item['itemCategory']") }},
                'price', {{ matomo_line_price('item') }},
                'quantity', try_cast(item['quantity'] as int)
            )
        ),
        'product_sku', nullif({{ action }}['productViewSku'], ''),
        'product_name', nullif({{ action }}['productViewName'], ''),
        'product_price', {{ matomo_money(action ~ "['productViewPrice']") }},
        'product_categories', {{ matomo_categories(
            action ~ "['productViewCategories']", action ~ "['productViewCategory1']"
        ) }},
        'custom_dimensions', map_filter(
            {{ action }}, (name, text) -> name rlike '{{ matomo_dimension_fields() }}' and text is not null
        ),
        'custom_variables', {{ matomo_custom_variables(action, page=true) }}
    )
{%- endmacro %}


{% macro matomo_categories(list, first) -%}
    {#- Categories of an item or a viewed product, at most five, in their order; an empty array if
        there are none. list: an SQL expression, JSON array as text; first: a single category, used
        if there is no list. -#}
    coalesce(
        filter(
            from_json({{ list }}, 'array<string>'), category -> nullif(category, '') is not null
        ),
        if(nullif({{ first }}, '') is null, array(), array({{ first }}))
    )
{%- endmacro %}

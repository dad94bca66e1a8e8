{% macro matomo_action(action, position) -%}
    {#- One entry of Matomo's `actionDetails` as a struct of typed fields.
        action: an SQL expression, map<string, string>; position: its index, from 0.
        Times are the site's wall clock: Matomo encodes them so, as if they were UTC. -#}
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
        'time_spent_seconds', try_cast({{ action }}['timeSpent'] as bigint),
        'load_time_ms', try_cast({{ action }}['pageLoadTimeMilliseconds'] as bigint),
        'search_keyword', nullif({{ action }}['siteSearchKeyword'], ''),
        'search_category', nullif({{ action }}['siteSearchCategory'], ''),
        'search_result_count', try_cast({{ action }}['siteSearchCount'] as bigint),
        'event_category', nullif({{ action }}['eventCategory'], ''),
        'event_action', nullif({{ action }}['eventAction'], ''),
        'event_name', nullif({{ action }}['eventName'], ''),
        'event_value', try_cast({{ action }}['eventValue'] as double),
        'content_name', nullif({{ action }}['contentName'], ''),
        'content_piece', nullif({{ action }}['contentPiece'], ''),
        'content_target', nullif({{ action }}['contentTarget'], ''),
        'content_interaction', nullif({{ action }}['contentInteraction'], ''),
        'goal_id', try_cast({{ action }}['goalId'] as int),
        'goal_page_id', try_cast({{ action }}['goalPageId'] as bigint),
        'order_id', nullif({{ action }}['orderId'], ''),
        'revenue', try_cast({{ action }}['revenue'] as decimal(18, 4)),
        'revenue_subtotal', try_cast({{ action }}['revenueSubTotal'] as decimal(18, 4)),
        'revenue_tax', try_cast({{ action }}['revenueTax'] as decimal(18, 4)),
        'revenue_shipping', try_cast({{ action }}['revenueShipping'] as decimal(18, 4)),
        'revenue_discount', try_cast({{ action }}['revenueDiscount'] as decimal(18, 4)),
        'item_count', try_cast({{ action }}['items'] as int),
        'items', {{ action }}['itemDetails'],
        'custom_dimensions', map_filter(
            {{ action }}, (name, text) -> name rlike '^dimension[0-9]+$' and text is not null
        )
    )
{%- endmacro %}

{% macro matomo_is_unusable(found_in, name) -%}
    {#- A predicate on `text`, the text of a field in the map `part`: it cannot be used. found_in:
        SQL expression of the kind of the part, as in matomo_typed_fields; name: SQL expression of
        the field's name. -#}
    case
        {%- for kind, fields in matomo_typed_fields().items() %}
        {%- for field, is_unusable in fields.items() %}
        when {{ found_in }} = '{{ kind }}' and {{ name }} = '{{ field }}' then {{ is_unusable }}
        {%- endfor %}
        {%- endfor %}
    end
{%- endmacro %}


{% macro matomo_typed_fields() -%}
    {#- The fields of a document's parts that must be numbers, amounts or time zones. Each has a
        predicate that is true if its text cannot be used; `quarantine.matomo_unusable_values`
        counts these fields. `text` is the field's text, `part` the map that contains it. -#}
    {%- set whole = 'try_cast(text as int) is null' -%}
    {%- set id = 'try_cast(text as bigint) is null' -%}
    {%- set money = matomo_money('text') ~ ' is null' -%}
    {%- set degrees = 'coalesce(abs(try_cast(text as double)), 181) > 180' -%}
    {%- do return({
        'visit': {
            'visitCount': whole, 'visitDuration': whole, 'actions': whole, 'interactions': whole,
            'searches': whole, 'events': whole, 'goalConversions': whole,
            'daysSinceLastVisit': whole, 'truncatedActionsCount': whole,
            'secondsSinceFirstVisit': id, 'secondsSinceLastVisit': id,
            'secondsSinceLastEcommerceOrder': id, 'latitude': degrees, 'longitude': degrees
        },
        'action': {
            'timestamp': epoch_seconds('text') ~ ' is null',
            'pageId': id, 'pageIdAction': id, 'goalPageId': id, 'goalId': whole, 'items': whole,
            'timeSpent': matomo_whole('text') ~ ' is null',
            'pageLoadTimeMilliseconds': matomo_whole('text') ~ ' is null',
            'siteSearchCount': matomo_whole('text') ~ ' is null',
            'eventValue': matomo_measure('text') ~ ' is null',
            'revenue': money, 'revenueSubTotal': money, 'revenueTax': money,
            'revenueShipping': money, 'revenueDiscount': money, 'productViewPrice': money
        },
        'item': {
            'price': matomo_line_price('part') ~ ' is null',
            'quantity': whole
        },
        'goal': {'revenue': money},
        'site': {'timezone': matomo_time_zone('text') ~ ' is null'}
    }) -%}
{%- endmacro %}

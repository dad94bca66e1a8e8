{% macro matomo_whole(text) -%}
    {#- A whole number in text (a count, seconds, milliseconds) as bigint, null where it is none of
        the range of an int: so many of them add up to a bigint that no report can overflow.
        text: an SQL expression, text or a whole number. -#}
    if(
        try_cast({{ text }} as bigint) between -2147483648 and 2147483647,
        try_cast({{ text }} as bigint),
        null
    )
{%- endmacro %}


{% macro matomo_money(text) -%}
    {#- An amount in text as decimal(18, 4), null where it is none or a trillion or more: one such amount
        in a report's decimal(18, 2) would leave no room for the others. text: an SQL expression. -#}
    if(
        abs(try_cast({{ text }} as decimal(18, 4))) < 1000000000000,
        try_cast({{ text }} as decimal(18, 4)),
        null
    )
{%- endmacro %}


{% macro matomo_measure(text) -%}
    {#- A number in text as double, null where it is none, no finite one, or 10^15 and more, beside which
        the other values of a sum would vanish. text: an SQL expression. -#}
    if(abs(try_cast({{ text }} as double)) < 1e15, try_cast({{ text }} as double), null)
{%- endmacro %}


{% macro matomo_line_price(item) -%}
    {#- The price of a line of an order or cart, null where it is no amount or where price x quantity
        would be none. item: an SQL expression, map<string, string>. -#}
    if(
        abs(
            {{ matomo_money(item ~ "['price']") }}
            * coalesce(try_cast({{ item }}['quantity'] as int), 1)
        ) < 1000000000000,
        {{ matomo_money(item ~ "['price']") }},
        null
    )
{%- endmacro %}


{% macro matomo_summed_money(amount) -%}
    {#- The sum of an amount of money, 0 for none. Amounts are bounded where documents are typed; what an
        older version stored beyond that bound gives null here, and stops no other row of the report.
        amount: an SQL expression, decimal. -#}
    try_cast(round(coalesce(sum({{ amount }}), 0), 2) as decimal(18, 2))
{%- endmacro %}


{% macro matomo_dimension_fields() -%}
    {#- A regular expression of the fields that hold a custom dimension: its id is an int. A field with
        more digits is an unknown one. -#}
    ^dimension[0-9]{1,9}$
{%- endmacro %}


{% macro matomo_typed_fields() -%}
    {#- The fields of a document's parts that must be numbers, amounts or names of zones, with the
        predicate that holds where one has a text that cannot be used: what
        `quarantine.matomo_unusable_values` counts. `text` is the field's text, `part` the map with it. -#}
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


{% macro matomo_is_unusable(found_in, name) -%}
    {#- A predicate on `text`, the text of a field in `part`: it cannot be used. found_in: SQL expression
        of the part's kind, as in matomo_typed_fields; name: SQL expression of the field's name. -#}
    case
        {%- for kind, fields in matomo_typed_fields().items() %}
        {%- for field, is_unusable in fields.items() %}
        when {{ found_in }} = '{{ kind }}' and {{ name }} = '{{ field }}' then {{ is_unusable }}
        {%- endfor %}
        {%- endfor %}
    end
{%- endmacro %}

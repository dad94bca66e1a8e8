{% macro matomo_is_known_field(kind, name) -%}
    {#- A predicate: the models read the field, or leave it out on purpose (texts in the reader's
        language, icons and links to them). Unknown fields are kept in `rest`. Names are checked
        before patterns, so most fields are looked up in a set instead of matched. A field that a
        column of matomo_visit_columns reads is known without being listed here. Coordinates are
        listed, because with matomo_coordinate_decimals -1 no column reads them.
        kind: visit or action; name: an SQL expression. -#}
    {%- set fields = {
        'visit': {
            'names': [
                'idSite', 'idVisit', 'siteName', 'siteCurrency', 'siteCurrencySymbol',
                'firstActionTimestamp', 'lastActionTimestamp', 'serverTimestamp', 'lastActionDateTime',
                'visitServerHour', 'daysSinceFirstVisit', 'daysSinceLastEcommerceOrder', 'location',
                'totalAbandonedCarts', 'campaignId', 'campaignName', 'campaignKeyword',
                'campaignSource', 'campaignMedium', 'campaignContent', 'campaignGroup',
                'campaignPlacement', 'provider', 'providerName', 'providerUrl', 'experiments',
                'formConversions', 'sessionReplayUrl', 'actionDetails', 'latitude', 'longitude'
            ],
            'patterns': [
                'server(Time|Date).*', 'referrer.*', 'operatingSystem.*', 'browser.*',
                'dimension[0-9]{1,9}', 'total(Ecommerce|AbandonedCarts).*'
            ]
        },
        'action': {
            'names': [
                'type', 'timestamp', 'pageId', 'idpageview', 'pageIdAction', 'pageviewPosition', 'url',
                'pageTitle', 'title', 'subtitle', 'timeSpent', 'pageLoadTime',
                'pageLoadTimeMilliseconds', 'bandwidth', 'bandwidth_pretty', 'siteSearchKeyword',
                'siteSearchCategory', 'siteSearchCount', 'eventCategory', 'eventAction', 'eventName',
                'eventValue', 'contentName', 'contentPiece', 'contentTarget', 'contentInteraction',
                'goalId', 'goalName', 'goalPageId', 'items', 'itemDetails', 'orderId', 'referrerType',
                'referrerName', 'referrerKeyword', 'productViewSku', 'productViewName',
                'productViewPrice', 'productViewCategories', 'customVariables', 'serverTimePretty',
                'interactionPosition', 'revenue'
            ],
            'patterns': [
                'revenue.*', 'productViewCategory[1-5]', 'dimension[0-9]{1,9}', 'customVariablePage.*'
            ]
        }
    }[kind] -%}
    {%- set names = [] + fields.names -%}
    {%- for _, roles, expression in matomo_visit_columns() if kind == 'visit' -%}
        {%- do names.extend(modules.re.findall("fields\\['([A-Za-z]+)'\\]", expression)) -%}
    {%- endfor -%}
    ({{ name }} in ('{{ names | unique | join("', '") }}')
    or {{ name }} rlike '^({{ fields.patterns | join('|') }}|.*(Pretty|Icons?|SVG|Flag|icon|logo))$')
{%- endmacro %}

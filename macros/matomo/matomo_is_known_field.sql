{% macro matomo_is_known_field(kind, name) -%}
    {#- A predicate: the models read the field, or leave it out on purpose (texts in the reader's
        language, icons, links to them). What is not known ends in `rest`. Names before patterns, so that
        most fields are looked up in a set and matched by nothing.
        kind: visit or action; name: an SQL expression. -#}
    {%- set fields = {
        'visit': {
            'names': [
                'idSite', 'idVisit', 'visitIp', 'visitorId', 'fingerprint', 'userId', 'siteName',
                'siteCurrency', 'siteCurrencySymbol', 'firstActionTimestamp', 'lastActionTimestamp',
                'serverTimestamp', 'lastActionDateTime', 'visitServerHour', 'visitLocalTime',
                'visitLocalHour', 'visitorType', 'visitCount', 'visitDuration', 'actions',
                'interactions', 'searches', 'events', 'goalConversions', 'visitConverted',
                'visitEcommerceStatus', 'daysSinceFirstVisit', 'daysSinceLastVisit',
                'daysSinceLastEcommerceOrder', 'secondsSinceFirstVisit', 'secondsSinceLastVisit',
                'secondsSinceLastEcommerceOrder', 'deviceType', 'deviceBrand', 'deviceModel',
                'resolution', 'plugins', 'language', 'languageCode', 'continent', 'continentCode',
                'country', 'countryCode', 'region', 'regionCode', 'city', 'location', 'latitude',
                'longitude', 'customVariables', 'totalAbandonedCarts', 'truncatedActionsCount',
                'campaignId', 'campaignName', 'campaignKeyword', 'campaignSource', 'campaignMedium',
                'campaignContent', 'campaignGroup', 'campaignPlacement', 'provider', 'providerName',
                'providerUrl', 'experiments', 'formConversions', 'sessionReplayUrl', 'actionDetails',
                'referrerType', 'referrerName', 'referrerKeyword', 'referrerUrl',
                'operatingSystemCode', 'operatingSystemName', 'operatingSystemVersion',
                'browserFamily', 'browserFamilyDescription', 'browserCode', 'browserName',
                'browserVersion'
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
    ({{ name }} in ('{{ fields.names | join("', '") }}')
    or {{ name }} rlike '^({{ fields.patterns | join('|') }}|.*(Pretty|Icons?|SVG|Flag|icon|logo))$')
{%- endmacro %}

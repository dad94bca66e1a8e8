{% macro matomo_known_fields(kind) -%}
    {#- A regular expression of the names of fields that the models read or leave out on purpose (texts
        in the reader's language, icons, links to them). What it does not match ends in `rest`.
        kind: visit or action. -#}
    {%- set names = {
        'visit': [
            'idSite', 'idVisit', 'visitIp', 'visitorId', 'fingerprint', 'userId', 'siteName',
            'siteCurrency', 'siteCurrencySymbol', '(first|last)ActionTimestamp', 'server(Time|Date).*',
            'serverTimestamp', 'lastActionDateTime', 'visitServerHour', 'visitLocal(Time|Hour)',
            'visitorType', 'visitCount', 'visitDuration', 'actions', 'interactions', 'searches',
            'events', 'goalConversions', 'visitConverted', 'visitEcommerceStatus',
            '(days|seconds)Since(FirstVisit|LastVisit|LastEcommerceOrder)', 'referrer.*',
            'deviceType', 'deviceBrand', 'deviceModel', 'operatingSystem.*', 'browser.*', 'resolution',
            'plugins', 'language(Code)?', 'continent(Code)?', 'country(Code)?', 'region(Code)?', 'city',
            'location', 'latitude', 'longitude', 'dimension[0-9]+', 'customVariables',
            'total(Ecommerce|AbandonedCarts).*', 'totalAbandonedCarts', 'truncatedActionsCount',
            'campaign(Id|Name|Keyword|Source|Medium|Content|Group|Placement)',
            'provider(Name|Url)?', 'experiments', 'formConversions', 'sessionReplayUrl',
            'actionDetails'
        ],
        'action': [
            'type', 'timestamp', 'pageId', 'idpageview', 'pageIdAction', 'pageviewPosition',
            'url', 'pageTitle', 'title', 'subtitle', 'timeSpent', 'pageLoadTime(Milliseconds)?',
            'bandwidth(_pretty)?', 'siteSearch(Keyword|Category|Count)', 'event(Category|Action|Name|Value)',
            'content(Name|Piece|Target|Interaction)', 'goal(Id|Name|PageId)', 'revenue.*', 'items',
            'itemDetails', 'orderId', 'referrer(Type|Name|Keyword)',
            'productView(Sku|Name|Price|Categories|Category[1-5])', 'dimension[0-9]+',
            'customVariables', 'customVariablePage.*', 'serverTimePretty', 'interactionPosition'
        ]
    } -%}
    ^({{ names[kind] | join('|') }}|.*(Pretty|Icon|Icons|SVG|Flag|icon|logo))$
{%- endmacro %}

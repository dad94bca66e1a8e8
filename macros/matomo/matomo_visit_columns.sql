{% macro matomo_visit_columns(role=none) -%}
    {#- The columns of a version of a visit, each declared once: its name, its roles, and its
        expression over `fields`, the document. Without `role` a list of name, roles and expression;
        with a role the names of the columns that have it:
        hash: a change of the column makes a new version. Labels in the reader's language, and
        columns that change without a change of the visit, do not have this role. The order is part
        of the hash, so only append to it;
        lake: the column is in lake.matomo_visits;
        dimension, clock: the column is also in conversions (matomo_visit_dimensions).
        The fields that an expression reads are known fields (matomo_is_known_field). -#}
    {%- set columns = [
        ['first_action_at', 'hash lake', 'first_action_at'],
        ['last_action_at', 'hash lake', 'last_action_at'],
        ['first_utc_offset_seconds', 'hash',
            'coalesce(first_utc_offset_seconds, last_utc_offset_seconds)'],
        ['last_utc_offset_seconds', 'hash',
            'coalesce(last_utc_offset_seconds, first_utc_offset_seconds)'],
        ['visitor_id', 'hash lake', "nullif(nullif(fields['visitorId'], 'false'), '')"],
        ['fingerprint', 'hash lake', "nullif(nullif(fields['fingerprint'], 'false'), '')"],
        ['user_id', 'hash dimension', "nullif(fields['userId'], '')"],
        ['visit_ip', 'hash lake', "nullif(fields['visitIp'], '')"],
        ['visitor_type', 'hash dimension', "fields['visitorType']"],
        ['visit_count', 'hash lake', "try_cast(fields['visitCount'] as int)"],
        ['visit_duration_seconds', 'hash lake',
            "cast(try_cast(fields['visitDuration'] as int) as bigint)"],
        ['action_count', 'hash lake', "try_cast(fields['actions'] as int)"],
        ['interaction_count', 'hash lake', "try_cast(fields['interactions'] as int)"],
        ['search_count', 'hash lake', "try_cast(fields['searches'] as int)"],
        ['event_count', 'hash lake', "try_cast(fields['events'] as int)"],
        ['goal_conversion_count', 'hash lake', "try_cast(fields['goalConversions'] as int)"],
        ['is_converted', 'hash lake', "coalesce(try_cast(fields['visitConverted'] as int), 0) = 1"],
        ['ecommerce_status', 'hash lake', "fields['visitEcommerceStatus']"],
        ['seconds_since_first_visit', 'hash lake',
            "try_cast(fields['secondsSinceFirstVisit'] as bigint)"],
        ['seconds_since_last_visit', 'hash lake',
            "try_cast(fields['secondsSinceLastVisit'] as bigint)"],
        ['seconds_since_last_order', 'hash lake',
            "try_cast(fields['secondsSinceLastEcommerceOrder'] as bigint)"],
        ['days_since_last_visit', 'lake', "try_cast(fields['daysSinceLastVisit'] as int)"],
        ['visitor_local_time', 'hash clock',
            "coalesce(nullif(fields['visitLocalTime'], ''), lpad(fields['visitLocalHour'], 2, '0') || ':00:00')"],
        ['referrer_type', 'hash lake', "fields['referrerType']"],
        ['referrer_name', 'hash lake', "nullif(fields['referrerName'], '')"],
        ['referrer_keyword', 'hash lake', "nullif(fields['referrerKeyword'], '')"],
        ['referrer_url', 'hash lake', "nullif(fields['referrerUrl'], '')"],
        ['device_type', 'dimension', "nullif(fields['deviceType'], '')"],
        ['device_brand', 'hash dimension', "nullif(fields['deviceBrand'], '')"],
        ['device_model', 'hash dimension', "nullif(fields['deviceModel'], '')"],
        ['operating_system_code', 'hash dimension', "nullif(fields['operatingSystemCode'], '')"],
        ['operating_system_name', 'dimension', "nullif(fields['operatingSystemName'], '')"],
        ['operating_system_version', 'hash dimension', "nullif(fields['operatingSystemVersion'], '')"],
        ['browser_family', 'hash dimension', "nullif(fields['browserFamily'], '')"],
        ['browser_family_name', 'dimension', "nullif(fields['browserFamilyDescription'], '')"],
        ['browser_code', 'hash dimension', "nullif(fields['browserCode'], '')"],
        ['browser_name', 'dimension', "nullif(fields['browserName'], '')"],
        ['browser_version', 'hash dimension', "nullif(fields['browserVersion'], '')"],
        ['resolution', 'hash dimension', "nullif(fields['resolution'], '')"],
        ['plugins', 'hash lake', "nullif(fields['plugins'], '')"],
        ['language_code', 'hash dimension', "nullif(fields['languageCode'], '')"],
        ['language_name', 'dimension', "nullif(fields['language'], '')"],
        ['continent_code', 'hash dimension', "nullif(fields['continentCode'], '')"],
        ['continent_name', 'dimension', "nullif(fields['continent'], '')"],
        ['country_code', 'hash dimension', "nullif(fields['countryCode'], '')"],
        ['country_name', 'dimension', "nullif(fields['country'], '')"],
        ['region_code', 'hash dimension', "nullif(fields['regionCode'], '')"],
        ['region_name', 'dimension', "nullif(fields['region'], '')"],
        ['city', 'hash dimension', "nullif(fields['city'], '')"],
        ['latitude', 'hash lake', matomo_coordinate("fields['latitude']")],
        ['longitude', 'hash lake', matomo_coordinate("fields['longitude']")],
        ['truncated_action_count', 'hash lake', "try_cast(fields['truncatedActionsCount'] as int)"],
        ['custom_dimensions', 'hash lake',
            "map_filter(fields, (name, text) -> name rlike '" ~ matomo_dimension_fields() ~ "' and text is not null)"],
        ['custom_variables', 'hash lake', matomo_custom_variables('fields')],
        ['extras', 'hash lake',
            "map_filter(fields, (name, text) -> text is not null and name rlike '" ~ matomo_extra_fields() ~ "')"],
    ] -%}
    {%- if role is none -%}
        {%- do return(columns) -%}
    {%- endif -%}
    {%- set names = [] -%}
    {%- for name, roles, expression in columns if role in roles.split() -%}
        {%- do names.append(name) -%}
    {%- endfor -%}
    {%- do return(names) -%}
{%- endmacro %}

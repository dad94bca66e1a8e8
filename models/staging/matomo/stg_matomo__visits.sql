{{ config(materialized='incremental', incremental_strategy='append') }}

-- One row per version of a visit: a visit is exported again while it grows. Only what the document
-- itself says, so that a version is the same in whichever batch it comes.
with times as (
    select
        *,
        {{ epoch_seconds("fields['firstActionTimestamp']") }} as first_action,
        {{ epoch_seconds("fields['lastActionTimestamp']") }} as last_action,
        transform(actions, action -> {{ epoch_seconds("action['timestamp']") }}) as action_times
    from {{ ref('stg_matomo__documents') }}
    where message_type = 'visit' and reason is null and {{ new_batches() }}
),

visits as (
    select
        times.* except (first_action, last_action, action_times),
        timestamp_seconds(first_action) as first_action_at,
        timestamp_seconds(last_action) as last_action_at,
        -- Matomo writes action times as the site's wall clock, visit times as UTC. Actions come in
        -- their order, in which the clock may have gone back.
        cast(coalesce(
            {{ utc_offset('get(action_times, 0) - first_action') }},
            {{ utc_offset('array_min(action_times) - first_action') }}
        ) as int) as first_utc_offset_seconds,
        cast(coalesce(
            {{ utc_offset('get(action_times, size(action_times) - 1) - last_action') }},
            {{ utc_offset('array_max(action_times) - last_action') }}
        ) as int) as last_utc_offset_seconds
    from times
),

columns_of_visits as (
    select
        batch_id,
        topic,
        partition,
        offset,
        document_index,
        exported_at,
        site_id,
        try_cast(fields['idVisit'] as bigint) as visit_id,
        {{ visit_block("try_cast(fields['idVisit'] as bigint)") }} as visit_block,
        first_action_at,
        last_action_at,
        coalesce(first_utc_offset_seconds, last_utc_offset_seconds) as first_utc_offset_seconds,
        coalesce(last_utc_offset_seconds, first_utc_offset_seconds) as last_utc_offset_seconds,
        nullif(nullif(fields['visitorId'], 'false'), '') as visitor_id,
        nullif(nullif(fields['fingerprint'], 'false'), '') as fingerprint,
        nullif(fields['userId'], '') as user_id,
        nullif(fields['visitIp'], '') as visit_ip,
        fields['visitorType'] as visitor_type,
        try_cast(fields['visitCount'] as int) as visit_count,
        cast(try_cast(fields['visitDuration'] as int) as bigint) as visit_duration_seconds,
        try_cast(fields['actions'] as int) as action_count,
        try_cast(fields['interactions'] as int) as interaction_count,
        try_cast(fields['searches'] as int) as search_count,
        try_cast(fields['events'] as int) as event_count,
        try_cast(fields['goalConversions'] as int) as goal_conversion_count,
        coalesce(try_cast(fields['visitConverted'] as int), 0) = 1 as is_converted,
        fields['visitEcommerceStatus'] as ecommerce_status,
        try_cast(fields['secondsSinceFirstVisit'] as bigint) as seconds_since_first_visit,
        try_cast(fields['secondsSinceLastVisit'] as bigint) as seconds_since_last_visit,
        try_cast(
            fields['secondsSinceLastEcommerceOrder'] as bigint
        ) as seconds_since_last_order,
        try_cast(fields['daysSinceLastVisit'] as int) as days_since_last_visit,
        coalesce(
            nullif(fields['visitLocalTime'], ''), lpad(fields['visitLocalHour'], 2, '0') || ':00:00'
        ) as visitor_local_time,
        fields['referrerType'] as referrer_type,
        nullif(fields['referrerName'], '') as referrer_name,
        nullif(fields['referrerKeyword'], '') as referrer_keyword,
        nullif(fields['referrerUrl'], '') as referrer_url,
        nullif(fields['deviceType'], '') as device_type,
        nullif(fields['deviceBrand'], '') as device_brand,
        nullif(fields['deviceModel'], '') as device_model,
        nullif(fields['operatingSystemCode'], '') as operating_system_code,
        nullif(fields['operatingSystemName'], '') as operating_system_name,
        nullif(fields['operatingSystemVersion'], '') as operating_system_version,
        nullif(fields['browserFamily'], '') as browser_family,
        nullif(fields['browserFamilyDescription'], '') as browser_family_name,
        nullif(fields['browserCode'], '') as browser_code,
        nullif(fields['browserName'], '') as browser_name,
        nullif(fields['browserVersion'], '') as browser_version,
        nullif(fields['resolution'], '') as resolution,
        nullif(fields['plugins'], '') as plugins,
        nullif(fields['languageCode'], '') as language_code,
        nullif(fields['language'], '') as language_name,
        nullif(fields['continentCode'], '') as continent_code,
        nullif(fields['continent'], '') as continent_name,
        nullif(fields['countryCode'], '') as country_code,
        nullif(fields['country'], '') as country_name,
        nullif(fields['regionCode'], '') as region_code,
        nullif(fields['region'], '') as region_name,
        nullif(fields['city'], '') as city,
        {{ matomo_coordinate("fields['latitude']") }} as latitude,
        {{ matomo_coordinate("fields['longitude']") }} as longitude,
        try_cast(fields['truncatedActionsCount'] as int) as truncated_action_count,
        map_filter(
            fields,
            (name, text) -> name rlike '{{ matomo_dimension_fields() }}' and text is not null
        ) as custom_dimensions,
        {{ matomo_custom_variables('fields') }} as custom_variables,
        map_filter(
            fields, (name, text) -> text is not null and name rlike '{{ matomo_extra_fields() }}'
        ) as extras,
        map_filter(
            fields,
            (name, text) -> text is not null and not {{ matomo_is_known_field('visit', 'name') }}
        ) as rest,
        transform(
            actions,
            action -> map_filter(
                action,
                (name, text) -> not (
                    text is null or {{ matomo_is_known_field('action', 'name') }}
                )
            )
        ) as actions_rest,
        transform(actions, (action, position) -> {{ matomo_action('action', 'position') }})
            as actions
    from visits
)

select
    {{ surrogate_key(['site_id', 'visit_id']) }} as visit_key,
    {{ row_hash([
        'first_action_at', 'last_action_at', 'first_utc_offset_seconds', 'last_utc_offset_seconds',
        'visitor_id', 'fingerprint', 'user_id', 'visit_ip', 'visitor_type', 'visit_count',
        'visit_duration_seconds', 'action_count', 'interaction_count', 'search_count', 'event_count',
        'goal_conversion_count', 'is_converted', 'ecommerce_status', 'seconds_since_first_visit',
        'seconds_since_last_visit', 'seconds_since_last_order', 'visitor_local_time', 'referrer_type', 'referrer_name',
        'referrer_keyword', 'referrer_url', 'device_brand', 'device_model', 'operating_system_code',
        'operating_system_version', 'browser_family', 'browser_code', 'browser_version',
        'resolution', 'plugins', 'language_code', 'continent_code', 'country_code', 'region_code',
        'city', 'latitude', 'longitude', 'truncated_action_count', 'custom_dimensions',
        'custom_variables', 'extras', 'actions'
    ]) }} as row_hash,
    *
from columns_of_visits

{{ config(
    materialized='incremental',
    incremental_strategy='merge_near',
    unique_key=['visit_key'],
    near='visit_block'
) }}

-- Visits as they are now, one row each; only visits that changed are merged.
select
    visit_key,
    batch_id,
    exported_at,
    site_id,
    visit_id,
    visit_block,
    visit_date,
    first_action_at,
    last_action_at,
    site_utc_offset_seconds,
    visitor_id,
    fingerprint,
    visit_ip,
    visit_count,
    visit_duration_seconds,
    action_count,
    interaction_count,
    search_count,
    event_count,
    goal_conversion_count,
    is_converted,
    ecommerce_status,
    seconds_since_first_visit,
    seconds_since_last_visit,
    seconds_since_last_order,
    days_since_last_visit,
    referrer_type,
    referrer_name,
    referrer_keyword,
    referrer_url,
    plugins,
    latitude,
    longitude,
    truncated_action_count,
    {%- for column in matomo_visit_dimensions() %}
    {{ column }},
    {%- endfor %}
    custom_dimensions,
    custom_variables,
    extras,
    rest
from {{ matomo_changed_visits() }} as visits

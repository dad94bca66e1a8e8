{{ config(
    materialized='incremental',
    incremental_strategy='merge_near',
    unique_key=['visit_key'],
    near='visit_block'
) }}

-- Visits as they are now, one row each. Only changed visits are merged.
select
    visit_key,
    batch_id,
    exported_at,
    site_id,
    visit_id,
    visit_block,
    visit_date,
    site_utc_offset_seconds,
    {%- for column in matomo_visit_columns('lake') + matomo_visit_dimensions() %}
    {{ column }},
    {%- endfor %}
    rest
from {{ ref('int_matomo__current_visits') }}
where {{ matomo_new_visits() }}

{{ config(
    materialized='incremental', incremental_strategy='merge', unique_key='report_key'
) }}

-- What Matomo itself reported last of each site and period: what the views are compared with.
select
    {{ surrogate_key(['site_id', 'method', 'period', 'period_start']) }} as report_key,
    batch_id,
    exported_at,
    site_id,
    method,
    period,
    period_start,
    metrics
from {{ ref('stg_matomo__reports') }} as reports
where
    {{ new_batches(clock=ref('stg_matomo__documents')) }}
{%- if is_incremental() %}
and not exists (
    select 1 from {{ this }} as held
    where
        held.site_id = reports.site_id and held.method = reports.method
        and held.period = reports.period and held.period_start = reports.period_start
        and held.exported_at > reports.exported_at
)
{%- endif %}
qualify row_number() over (
    partition by site_id, method, period, period_start
    order by exported_at desc, batch_id desc, offset desc
) = 1

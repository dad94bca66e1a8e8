{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='report_key',
    on_schema_change='append_new_columns'
) }}

-- Matomo's own reports, the newest of each site and period, with which the views are compared. A
-- report of one goal, of a segment or of a range is a report of its own.
with reports as (
    select
        *,
        -- The key of a report without goal, segment or range has its old form, so that stored keys
        -- stay valid.
        if(
            goal is null and not_comparable is null,
            {{ surrogate_key(['site_id', 'method', 'period', 'period_start']) }},
            {{ surrogate_key([
                'site_id', 'method', 'period', 'period_start', 'range_end', 'goal', 'segment_hash',
                'not_comparable'
            ]) }}
        ) as report_key
    from {{ ref('stg_matomo__reports') }}
    where {{ new_batches(clock=ref('stg_matomo__documents')) }}
)

select
    report_key,
    batch_id,
    exported_at,
    site_id,
    method,
    period,
    period_start,
    metrics,
    goal,
    segment_hash,
    range_end,
    not_comparable
from reports
{%- if is_incremental() %}
where
    not exists (
        select 1 from {{ this }} as held
        where held.report_key = reports.report_key and held.exported_at > reports.exported_at
    )
{%- endif %}
qualify row_number() over (
    partition by report_key
    order by exported_at desc, batch_id desc, offset desc, document_index desc
) = 1

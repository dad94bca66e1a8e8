{{ config(materialized='incremental', incremental_strategy='append') }}

-- What Matomo itself reports, one row per report (VisitsSummary.get, Actions.get, Goals.get), site,
-- period and message: what the views are compared with.
with reports as (
    select
        batch_id,
        topic,
        partition,
        offset,
        document_index,
        exported_at,
        site_id,
        report_method as method,
        -- 2024-03-04,2024-03-10 is a week, 2024-03 a month, 2024 a year.
        case
            when report_date like '%,%' then 'week'
            when length(report_date) = 7 then 'month'
            when length(report_date) = 4 then 'year'
            else coalesce(fields['period'], 'day')
        end as period,
        try_to_date(
            case length(split_part(report_date, ',', 1))
                when 4 then report_date || '-01-01'
                when 7 then report_date || '-01'
                else split_part(report_date, ',', 1)
            end
        ) as reported_date,
        map_filter(
            fields, (name, text) -> name rlike '^(nb|bounce|max|sum|avg|revenue|conversion)'
        ) as metrics
    from {{ ref('stg_matomo__documents') }}
    where message_type = 'report' and reason is null and {{ new_batches() }}
)

select
    reports.* except (reported_date),
    cast(
        case period when 'day' then reported_date else date_trunc(period, reported_date) end as date
    ) as period_start
from reports

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns'
) }}

-- Matomo's own reports, with which the views are compared: one row per report (VisitsSummary.get,
-- Actions.get, Goals.get), site, period and message.
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
        report_date,
        coalesce(report_asked['period'], 'day') as asked_period,
        case
            when report_method not like 'goals.%' or report_asked['goal'] in ('false', 'null')
                then null
            when report_asked['goal'] = 'ecommerceorder' then '0'
            when report_asked['goal'] = 'ecommerceabandonedcart' then '-1'
            else coalesce(
                cast(try_cast(report_asked['goal'] as int) as string), report_asked['goal']
            )
        end as goal,
        report_asked['segment'] as segment_hash,
        map_filter(
            fields, (name, text) -> name rlike '^(nb|bounce|max|sum|avg|revenue|conversion)'
        ) as metrics,
        try_to_date(
            case length(split_part(report_date, ',', 1))
                when 4 then split_part(report_date, ',', 1) || '-01-01'
                when 7 then split_part(report_date, ',', 1) || '-01'
                else split_part(report_date, ',', 1)
            end
        ) as first_day,
        try_to_date(split_part(report_date, ',', 2)) as last_day
    from {{ ref('stg_matomo__documents') }}
    where message_type = 'report' and reason is null and {{ new_batches() }}
),

dated as (
    select
        * except (first_day, last_day),
        -- Only years that clients of the lake can read.
        if(year(first_day) between 1970 and 9998, first_day, null) as first_day,
        if(year(last_day) between 1970 and 9998, last_day, null) as last_day
    from reports
),

placed as (
    select
        *,
        case
            when report_date like '%,%'
                then
                    case
                        when first_day is null or last_day is null or last_day < first_day then null
                        when last_day = first_day then 'day'
                        when
                            first_day = {{ iso_week('first_day', 'start') }}
                            and last_day = date_add(first_day, 6)
                            then 'week'
                        when
                            first_day = date_trunc('month', first_day)
                            and last_day = date_add(add_months(first_day, 1), -1)
                            then 'month'
                        when
                            first_day = date_trunc('year', first_day)
                            and last_day = date_add(add_months(first_day, 12), -1)
                            then 'year'
                        else 'range'
                    end
            when length(report_date) = 7 then 'month'
            when length(report_date) = 4 then 'year'
            when asked_period in ('day', 'range') then 'day'
            when asked_period in ('week', 'month', 'year') then asked_period
        end as period
    from dated
)

select
    * except (report_date, asked_period, first_day, last_day),
    cast(
        if(
            period in ('week', 'month', 'year'), date_trunc(period, first_day), first_day
        ) as date
    ) as period_start,
    if(period = 'range', last_day, null) as range_end,
    -- The first reason why the report cannot be compared with a view; null if it can.
    case
        when first_day is null or (report_date like '%,%' and period is null) then 'wrong_date'
        when period is null then 'unknown_period'
        when segment_hash is not null then 'segment'
        when period = 'range' then 'range'
        when try_cast(goal as int) <= 0 then 'ecommerce_goal'
        when goal is not null and try_cast(goal as int) is null then 'unknown_goal'
    end as not_comparable
from placed

{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='alarm_key',
    full_refresh=false
) }}

-- The log of alarms about Matomo's data, one row per alarm and subject: visits that were exported
-- without their actions, goals that were deleted, reports that differ. None of these stops a build.
with actions_held as (
    select
        visit_key,
        count(*) as actions_held
    from {{ ref('matomo_actions') }}
    where action_type in ('page', 'download', 'outlink', 'search', 'event')
    group by visit_key
),

visits as (
    select
        visits.site_id,
        visits.visit_id,
        visits.visit_date,
        visits.action_count,
        visits.truncated_action_count,
        coalesce(actions_held.actions_held, 0) as actions_held
    from {{ ref('matomo_visits') }} as visits
    left join actions_held on visits.visit_key = actions_held.visit_key
),

visits_without_all_actions as (
    select
        'visits_without_all_actions' as alarm,
        concat('site ', site_id, ', ', visit_date) as subject,
        sha2(to_json(array_sort(collect_list(
            struct(visit_id, action_count, truncated_action_count, actions_held)
        ))), 256) as version,
        concat(
            concat_ws(
                ', ',
                if(
                    count_if(actions_held = 0) > 0,
                    count_if(actions_held = 0) || ' visits exported without their actions',
                    null
                ),
                if(
                    count_if(actions_held > 0) > 0,
                    count_if(actions_held > 0) || ' visits with fewer actions than they had',
                    null
                )
            ),
            ': visits ',
            array_join(slice(array_sort(collect_list(visit_id)), 1, 20), ', '),
            if(count(*) > 20, ', …', '')
        ) as detail
    from visits
    where actions_held < action_count or truncated_action_count > 0
    group by site_id, visit_date
),

unknown_goals as (
    -- Only sites with a catalogue.
    select
        'unknown_goals' as alarm,
        concat(
            'site ', conversions.site_id,
            ', goal ', coalesce(cast(conversions.goal_id as string), 'none')
        ) as subject,
        sha2(cast(count(*) as string), 256) as version,
        count(*) || ' conversions of a goal that the site''s catalogue does not have' as detail
    from {{ ref('matomo_conversions') }} as conversions
    left semi join {{ ref('matomo_goals') }} as catalogues
        on conversions.site_id = catalogues.site_id
    left anti join {{ ref('matomo_goals') }} as goals
        on conversions.site_id = goals.site_id and conversions.goal_id = goals.goal_id
    where conversions.conversion_type = 'goal'
    group by conversions.site_id, conversions.goal_id
),

differing_reports as (
    -- A view must agree with Matomo's own report of a period that was over when Matomo reported it.
    -- One more day is added, because Matomo's archives are up to hours late.
    select
        'differing_reports' as alarm,
        concat_ws(
            ', ', 'site ' || site_id, period || ' ' || period_start, report, 'goal ' || goal
        ) as subject,
        sha2(to_json(array_sort(collect_list(struct(metric, matomo, lacustre)))), 256) as version,
        array_join(array_sort(collect_list(
            concat(metric, ': ', matomo, ' by Matomo, ', lacustre, ' here')
        )), '; ') as detail
    from {{ ref('matomo_report_differences') }}
    where
        exported_at
        > case period
            when 'day' then date_add(period_start, 2)
            when 'week' then date_add(period_start, 8)
            when 'month' then date_add(add_months(period_start, 1), 1)
            else date_add(add_months(period_start, 12), 1)
        end
    group by site_id, period, period_start, report, goal
),

found as (
    select * from visits_without_all_actions
    union all
    select * from unknown_goals
    union all
    select * from differing_reports
)

{{ alarm_log('found') }}

-- Matomo's CustomDimensions.getCustomDimension of every dimension: one row per site, period,
-- dimension and value. Visit dimensions have the metrics of visits, action dimensions those of
-- pages.
with visit_values as (
    select
        visits.*,
        visits.visit_date as day,
        exploded.name as field,
        {{ matomo_decoded('exploded.value') }} as label
    from {{ ref('matomo_visits') }} as visits
        lateral view explode(visits.custom_dimensions) exploded as name, value
),

visit_sums as (
    select
        site_id,
        periods.period,
        periods.period_start,
        field,
        label,
        {{ matomo_visit_metrics() }}
    from visit_values
        {{ each_period('day') }}
    group by site_id, periods.period, periods.period_start, field, label
),

conversion_sums as (
    select
        conversions.site_id,
        periods.period,
        periods.period_start,
        exploded.name as field,
        {{ matomo_decoded('exploded.value') }} as label,
        count(*) as nb_conversions,
        {{ matomo_summed_money('conversions.revenue') }} as revenue
    from {{ ref('matomo_conversions') }} as conversions
        lateral view explode(conversions.custom_dimensions) exploded as name, value
        {{ each_period('conversions.conversion_date', alias='exploded_periods') }}
    where conversions.conversion_type != 'abandoned_cart'
    group by
        conversions.site_id, periods.period, periods.period_start, exploded.name,
        {{ matomo_decoded('exploded.value') }}
),

action_values as (
    select
        actions.*,
        exploded.name as field,
        {{ matomo_decoded('exploded.value') }} as label,
        -- As in Matomo, a visit (or visitor) counts once for each address.
        case actions.action_type
            when 'search' then null
            when 'page' then {{ matomo_page('actions.url') }}
            when 'event' then {{ matomo_page('actions.url') }}
            else actions.url
        end as address
    from {{ ref('matomo_actions') }} as actions
        lateral view explode(actions.custom_dimensions) exploded as name, value
    where actions.action_type not in ('goal', 'order', 'abandoned_cart')
),

action_sums as (
    select
        site_id,
        periods.period,
        periods.period_start,
        field,
        label,
        count(*) as nb_hits,
        count(distinct struct(visit_key, address)) as nb_visits,
        count(distinct if(visitor_key is null, null, struct(visitor_key, address)))
            as nb_uniq_visitors,
        coalesce(sum({{ matomo_whole('time_spent_seconds') }}), 0) as sum_time_spent,
        count_if({{ matomo_is_bounce('visit_action_count') }}) as bounce_count,
        count_if(is_last) as exit_nb_visits
    from action_values
        {{ each_period('action_date') }}
    group by site_id, periods.period, periods.period_start, field, label
),

sums as (
    select
        visit_sums.site_id,
        visit_sums.period,
        visit_sums.period_start,
        visit_sums.field,
        'visit' as scope,
        visit_sums.label,
        nb_visits,
        nb_uniq_visitors,
        nb_users,
        nb_actions,
        max_actions,
        sum_visit_length,
        bounce_count,
        nb_visits_converted,
        coalesce(nb_conversions, 0) as nb_conversions,
        coalesce(revenue, 0) as revenue,
        cast(null as bigint) as nb_hits,
        cast(null as bigint) as sum_time_spent,
        cast(null as bigint) as exit_nb_visits
    from visit_sums
    left join conversion_sums
        on
            visit_sums.site_id = conversion_sums.site_id
            and visit_sums.period = conversion_sums.period
            and visit_sums.period_start = conversion_sums.period_start
            and visit_sums.field = conversion_sums.field
            and visit_sums.label = conversion_sums.label
    union all
    select
        site_id,
        period,
        period_start,
        field,
        'action' as scope,
        label,
        nb_visits,
        nb_uniq_visitors,
        cast(null as bigint) as nb_users,
        cast(null as bigint) as nb_actions,
        cast(null as int) as max_actions,
        cast(null as bigint) as sum_visit_length,
        bounce_count,
        cast(null as bigint) as nb_visits_converted,
        cast(null as bigint) as nb_conversions,
        cast(null as decimal(18, 2)) as revenue,
        nb_hits,
        sum_time_spent,
        exit_nb_visits
    from action_sums
)

select
    sums.site_id,
    sums.period,
    sums.period_start,
    try_cast(substr(sums.field, 10) as int) as custom_dimension_id,
    dimensions.name as custom_dimension_name,
    sums.scope,
    coalesce(nullif(sums.label, ''), 'Value not defined') as label,
    sums.* except (site_id, period, period_start, field, scope, label),
    {{ matomo_ratio('bounce_count', 'nb_visits', 2) }} as bounce_rate,
    if(sums.scope = 'visit', {{ matomo_ratio('nb_actions', 'nb_visits', 1) }}, null)
        as nb_actions_per_visit,
    if(
        sums.scope = 'visit',
        cast({{ matomo_ratio('sum_visit_length', 'nb_visits', 0) }} as bigint),
        null
    ) as avg_time_on_site,
    if(sums.scope = 'action', {{ matomo_ratio('exit_nb_visits', 'nb_visits', 2) }}, null)
        as exit_rate,
    if(
        sums.scope = 'action',
        cast({{ matomo_ratio('sum_time_spent', 'nb_hits', 0) }} as bigint),
        null
    ) as avg_time_on_dimension
from sums
left join {{ ref('matomo_custom_dimensions') }} as dimensions
    on
        sums.site_id = dimensions.site_id
        and try_cast(substr(sums.field, 10) as int) = dimensions.custom_dimension_id

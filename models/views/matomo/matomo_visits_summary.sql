-- Matomo's VisitsSummary.get, by site and period. A visit belongs to the site-local day of its last
-- action, as in Matomo's archives.
select
    visits.site_id,
    periods.period,
    periods.period_start,
    count(*) as nb_visits,
    count(distinct coalesce(visits.visitor_id, visits.fingerprint)) as nb_uniq_visitors,
    count(distinct visits.user_id) as nb_users,
    coalesce(sum(visits.action_count), 0) as nb_actions,
    count_if(visits.is_converted) as nb_visits_converted,
    count_if(visits.action_count in (0, 1)) as bounce_count,
    coalesce(sum(visits.visit_duration_seconds), 0) as sum_visit_length,
    coalesce(max(visits.action_count), 0) as max_actions,
    round(count_if(visits.action_count in (0, 1)) / count(*), 2) as bounce_rate,
    round(coalesce(sum(visits.action_count), 0) / count(*), 1) as nb_actions_per_visit,
    cast(
        round(coalesce(sum(visits.visit_duration_seconds), 0) / count(*)) as bigint
    ) as avg_time_on_site
from {{ ref('matomo_visits') }} as visits
    {{ each_period('visits.visit_date') }}
group by visits.site_id, periods.period, periods.period_start

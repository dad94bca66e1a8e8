-- Matomo's VisitFrequency.get: new and returning visits side by side.
with sums as (
    select
        site_id,
        periods.period,
        periods.period_start,
        {{ matomo_visit_metrics('_new', "visitor_type = 'new'") }},
        {{ matomo_visit_metrics('_returning', "visitor_type != 'new'") }}
    from {{ ref('matomo_visits') }}
        {{ each_period('visit_date') }}
    group by site_id, periods.period, periods.period_start
)

select
    *,
    {{ matomo_visit_rates('_new') }},
    {{ matomo_visit_rates('_returning') }}
from sums

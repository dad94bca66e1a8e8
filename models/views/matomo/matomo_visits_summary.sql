-- Matomo's VisitsSummary.get. A visit belongs to the site-local day of its last action.
with sums as (
    select
        site_id,
        periods.period,
        periods.period_start,
        {{ matomo_visit_metrics() }}
    from {{ ref('matomo_visits') }}
        {{ each_period('visit_date') }}
    group by site_id, periods.period, periods.period_start
)

select
    *,
    {{ matomo_visit_rates() }}
from sums

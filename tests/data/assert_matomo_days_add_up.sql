-- Each visit of a site is in exactly one day.
with days as (
    select
        site_id,
        sum(nb_visits) as visits_in_days
    from {{ ref('matomo_visits_summary') }}
    where period = 'day'
    group by site_id
),

visits as (
    select
        site_id,
        count(distinct visit_id) as visits_held
    from {{ ref('matomo_visits') }}
    group by site_id
)

select
    visits.site_id,
    visits.visits_held,
    days.visits_in_days
from visits
full outer join days on visits.site_id = days.site_id
where visits.visits_held is distinct from days.visits_in_days

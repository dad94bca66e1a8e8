-- A log that was cut short (Matomo caps the actions of a visit) has fewer actions than it says.
with counted as (
    select
        visit_key,
        count(*) as actions_held
    from {{ ref('matomo_actions') }}
    where action_type in ('page', 'download', 'outlink', 'search', 'event')
    group by visit_key
)

select
    visits.site_id,
    visits.visit_id,
    visits.visit_date,
    visits.action_count,
    coalesce(counted.actions_held, 0) as actions_held,
    visits.truncated_action_count
from {{ ref('matomo_visits') }} as visits
left join counted on visits.visit_key = counted.visit_key
where
    coalesce(counted.actions_held, 0) < visits.action_count
    or visits.truncated_action_count > 0

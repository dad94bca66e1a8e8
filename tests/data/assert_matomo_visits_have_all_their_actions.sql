{{ config(severity=var('alarms'), tags=['alarm']) }}

-- A log that was cut short (Matomo caps the actions of a visit) or was not exported has fewer
-- actions than it says.
select *
from {{ ref('matomo_alarms') }}
where alarm = 'visits_without_all_actions' and is_open

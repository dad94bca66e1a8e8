{{ config(severity=var('alarms'), tags=['alarm']) }}

-- A visit whose actions were cut (Matomo limits them) or not exported has fewer actions than its
-- own count of actions.
select *
from {{ ref('matomo_alarms') }}
where alarm = 'visits_without_all_actions' and is_open

{{ config(severity=var('alarms'), tags=['alarm']) }}

-- A goal that visits convert is in the site's catalogue, where there is one.
select *
from {{ ref('matomo_alarms') }}
where alarm = 'unknown_goals' and is_open

{{ config(severity=var('alarms'), tags=['alarm']) }}

-- The views agree with Matomo's own reports of periods that were over when Matomo reported them: no
-- visit is missing, none is counted twice.
select *
from {{ ref('matomo_alarms') }}
where alarm = 'differing_reports' and is_open

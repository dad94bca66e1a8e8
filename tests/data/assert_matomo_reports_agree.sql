{{ config(severity=var('alarms'), tags=['alarm']) }}

-- A period that was over when Matomo reported it has Matomo's own numbers: no visit is missing,
-- none is counted twice.
select *
from {{ ref('matomo_alarms') }}
where alarm = 'differing_reports' and is_open

{{ config(severity=var('alarms'), tags=['alarm']) }}

-- The goal of each conversion is in the catalogue of its site, if the site has a catalogue.
select *
from {{ ref('matomo_alarms') }}
where alarm = 'unknown_goals' and is_open

-- The park as it is today (UTC): one row per equipment in service.
select *
from {{ ref('meter_park') }}
where valid_from <= current_date() and (valid_to is null or valid_to > current_date())

-- An equipment is heard on days in service only.
select *
from {{ ref('meter_days_without_events') }}
where days_without_events < 0

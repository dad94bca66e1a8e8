-- The number of days without events is never negative: events count only on days in service.
select *
from {{ ref('meter_days_without_events') }}
where days_without_events < 0

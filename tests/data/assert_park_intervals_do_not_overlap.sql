-- An equipment is at one place at any time.
select
    equipment_type,
    equipment_id,
    valid_from,
    valid_to,
    next_from
from (
    select
        equipment_type,
        equipment_id,
        valid_from,
        valid_to,
        lead(valid_from) over (
            partition by equipment_type, equipment_id order by valid_from
        ) as next_from
    from {{ ref('meter_park') }}
) as intervals
where next_from < coalesce(valid_to, date '9999-12-31') or valid_to <= valid_from

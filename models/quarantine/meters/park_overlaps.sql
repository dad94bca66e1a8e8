-- Installations that contradict each other: an equipment at two places at once, or two equipments
-- at one place. lake.meter_park gives an equipment one place and a PDK one concentrator: on each
-- day the installation that began last counts. Two meters at one PDC both stay there.
{% for kind, same, other in [
    ('two_places', 'equipment_id', 'place_id'), ('two_equipments', 'place_id', 'equipment_id')
] %}
{{ 'union all' if not loop.first }}
select
    '{{ kind }}' as reason,
    earlier.equipment_type,
    earlier.equipment_id,
    earlier.place_id,
    earlier.valid_from,
    earlier.valid_to,
    later.equipment_id as other_equipment_id,
    later.place_id as other_place_id,
    later.valid_from as other_valid_from,
    later.valid_to as other_valid_to,
    later.valid_from as overlaps_from,
    least(earlier.valid_to, later.valid_to) as overlaps_to
from {{ ref('stg_park__installations') }} as earlier
inner join {{ ref('stg_park__installations') }} as later
    on
        earlier.equipment_type = later.equipment_type
        and earlier.{{ same }} = later.{{ same }}
        and (earlier.valid_to is null or earlier.valid_to > later.valid_from)
where
    struct(earlier.valid_from, coalesce(earlier.valid_to, date '9999-12-31'), earlier.{{ other }})
    < struct(later.valid_from, coalesce(later.valid_to, date '9999-12-31'), later.{{ other }})
    {% if kind == 'two_equipments' %}
    and earlier.equipment_id != later.equipment_id
    {% endif %}
{% endfor %}

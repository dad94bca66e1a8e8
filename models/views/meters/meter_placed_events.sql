-- Every event, with the place of its equipment on its day, as it is known now.
with placements as (
    select distinct
        occurred_on,
        equipment_type,
        equipment_id,
        park_key
    from {{ ref('meter_event_counts') }}
)

select
    events.*,
    park.pdk_id is not null and park.commune_code is not null as is_placed,
    park.manufacturer_id,
    park.pdc_id,
    park.pdk_id,
    park.concentrator_id,
    park.commune_code,
    park.commune_label,
    park.departement_code,
    park.departement_label,
    park.region_code,
    park.region_label
from {{ ref('meter_events') }} as events
left join placements
    on
        events.occurred_on = placements.occurred_on
        and events.equipment_type = placements.equipment_type
        and events.equipment_id = placements.equipment_id
left join {{ ref('meter_park') }} as park on placements.park_key = park.park_key

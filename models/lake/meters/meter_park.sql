{{ config(materialized='table') }}

-- Where each meter and concentrator was, and when. A meter's interval is cut wherever the
-- concentrator at its PDK changes, so that each row has one concentrator.
with concentrator_installations as (
    select * from {{ ref('stg_park__concentrator_installations') }}
),

meter_installations as (
    select
        installations.*,
        pdc.pdk_id,
        pdc.commune_code
    from {{ ref('stg_park__meter_installations') }} as installations
    left join {{ ref('stg_park__pdc') }} as pdc on installations.pdc_id = pdc.pdc_id
),

cuts as (
    select distinct
        meters.meter_id,
        meters.pdc_id,
        meters.pdk_id,
        meters.commune_code,
        meters.valid_from as installed_from,
        meters.valid_to as installed_to,
        cut_on
    from meter_installations as meters
    left join concentrator_installations as concentrators on meters.pdk_id = concentrators.pdk_id
        lateral view explode(array(
            meters.valid_from, concentrators.valid_from, concentrators.valid_to
        )) exploded as cut_on
    where cut_on >= meters.valid_from and (meters.valid_to is null or cut_on < meters.valid_to)
),

meter_intervals as (
    select
        meter_id,
        pdc_id,
        pdk_id,
        commune_code,
        cut_on as valid_from,
        coalesce(
            lead(cut_on) over (
                partition by meter_id, pdc_id, installed_from, installed_to order by cut_on
            ),
            installed_to
        ) as valid_to
    from cuts
),

intervals as (
    select
        'C' as equipment_type,
        meters.meter_id as equipment_id,
        meters.pdc_id,
        meters.pdk_id,
        concentrators.concentrator_id,
        meters.commune_code,
        meters.valid_from,
        meters.valid_to
    from meter_intervals as meters
    left join concentrator_installations as concentrators
        on
            meters.pdk_id = concentrators.pdk_id
            and meters.valid_from >= concentrators.valid_from
            and (concentrators.valid_to is null or meters.valid_from < concentrators.valid_to)
    union all
    select
        'K' as equipment_type,
        installations.concentrator_id as equipment_id,
        cast(null as int) as pdc_id,
        installations.pdk_id,
        installations.concentrator_id,
        pdk.commune_code,
        installations.valid_from,
        installations.valid_to
    from concentrator_installations as installations
    left join {{ ref('stg_park__pdk') }} as pdk on installations.pdk_id = pdk.pdk_id
)

select
    {{ surrogate_key([
        'intervals.equipment_type', 'intervals.equipment_id', 'intervals.pdc_id',
        'intervals.pdk_id', 'intervals.concentrator_id', 'intervals.valid_from', 'intervals.valid_to'
    ]) }} as park_key,
    intervals.equipment_type,
    intervals.equipment_id,
    intervals.pdc_id,
    intervals.pdk_id,
    intervals.concentrator_id,
    coalesce(meters.manufacturer_id, concentrators.manufacturer_id) as manufacturer_id,
    intervals.commune_code,
    communes.commune_label,
    communes.departement_code,
    communes.departement_label,
    communes.region_code,
    communes.region_label,
    intervals.valid_from,
    intervals.valid_to
from intervals
left join {{ ref('stg_park__meters') }} as meters
    on intervals.equipment_type = 'C' and intervals.equipment_id = meters.meter_id
left join {{ ref('stg_park__concentrators') }} as concentrators
    on intervals.equipment_type = 'K' and intervals.equipment_id = concentrators.concentrator_id
left join {{ ref('stg_park__communes') }} as communes
    on intervals.commune_code = communes.commune_code

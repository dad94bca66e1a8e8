{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='version_key',
    full_refresh=false
) }}

-- The park with two times: validity, and when it was known. The park is computed again only if the
-- snapshots of its tables changed. Intervals that are gone or different are closed, and new ones
-- open. A full refresh keeps this table, because it would lose earlier knowledge.
{% set known_at = park_known_at() %}
{% set held_at = newest_of(
    'select greatest(known_from, coalesce(known_to, known_from)) as at from ' ~ this
) if is_incremental() %}
{% if is_incremental() and held_at >= known_at %}
select * from {{ this }}
where false
{% else %}
with installations as (
    select * from {{ ref('snap_park__installations') }}
    where dbt_valid_to is null
),

places as (
    select * from {{ ref('snap_park__places') }}
    where dbt_valid_to is null
),

communes as (
    -- A commune that its file no longer lists keeps its last names.
    select * from {{ ref('snap_park__communes') }}
    qualify row_number() over (
        partition by commune_code order by dbt_valid_to desc nulls first, dbt_valid_from desc
    ) = 1
),

departements as (
    select
        departement_code,
        max(departement_label) as departement_label,
        max(region_code) as region_code,
        max(region_label) as region_label
    from communes
    group by departement_code
),

located as (
    select
        intervals.*,
        -- A concentrator's place is its PDK, also if the park does not list that PDK.
        if(intervals.equipment_type = 'K', intervals.place_id, places.pdk_id) as pdk_id,
        places.commune_code
    from {{ park_intervals('installations', of='equipment_id', at='place_id') }} as intervals
    left join places
        on
            intervals.equipment_type = places.equipment_type
            and intervals.place_id = places.place_id
),

concentrator_places as (
    select * from located
    where equipment_type = 'K'
),

concentrators as (
    -- One concentrator serves a PDK at a time.
    select
        place_id as pdk_id,
        collect_list(struct(valid_from, valid_to, equipment_id)) as served_by
    from {{ park_intervals('concentrator_places', of='place_id', at='equipment_id') }} as intervals
    group by place_id
),

served as (
    -- A meter's interval is split where the concentrator at its PDK changes.
    select
        located.*,
        concentrators.served_by,
        array_sort(array_distinct(filter(
            concat(
                array(located.valid_from),
                coalesce(concentrators.served_by.valid_from, array()),
                coalesce(concentrators.served_by.valid_to, array())
            ),
            cut_on -> cut_on >= located.valid_from
            and (located.valid_to is null or cut_on < located.valid_to)
        ))) as cuts
    from located
    left join concentrators
        on located.pdk_id = concentrators.pdk_id and located.equipment_type = 'C'
),

intervals as (
    select
        equipment_type,
        equipment_id,
        if(equipment_type = 'C', place_id, null) as pdc_id,
        pdk_id,
        if(
            equipment_type = 'K',
            equipment_id,
            get(filter(
                served_by,
                one -> one.valid_from <= cut_on and (one.valid_to is null or cut_on < one.valid_to)
            ), 0).equipment_id
        ) as concentrator_id,
        commune_code,
        cut_on as valid_from,
        coalesce(get(cuts, number + 1), valid_to) as valid_to
    from served
        lateral view posexplode(cuts) exploded as number, cut_on
),

park as (
    select
        {{ surrogate_key([
            'intervals.equipment_type', 'intervals.equipment_id', 'intervals.valid_from'
        ]) }} as park_key,
        intervals.equipment_type,
        intervals.equipment_id,
        equipment.manufacturer_id,
        intervals.pdc_id,
        intervals.pdk_id,
        intervals.concentrator_id,
        intervals.commune_code,
        communes.commune_label,
        coalesce(communes.departement_code, departements.departement_code) as departement_code,
        coalesce(communes.departement_label, departements.departement_label) as departement_label,
        coalesce(communes.region_code, departements.region_code) as region_code,
        coalesce(communes.region_label, departements.region_label) as region_label,
        intervals.valid_from,
        intervals.valid_to
    from intervals
    left join {{ ref('meter_equipment') }} as equipment
        on
            intervals.equipment_type = equipment.equipment_type
            and intervals.equipment_id = equipment.equipment_id
    left join communes on intervals.commune_code = communes.commune_code
    left join departements
        on
            departements.departement_code
            = left(intervals.commune_code, if({{ is_overseas('intervals.commune_code') }}, 3, 2))
),

known as (
    select
        {{ surrogate_key(['park_key', known_at]) }} as version_key,
        {{ row_hash([
            'manufacturer_id', 'pdc_id', 'pdk_id', 'concentrator_id', 'commune_code',
            'commune_label', 'departement_code', 'departement_label', 'region_code',
            'region_label', 'valid_to'
        ]) }} as row_hash,
        *,
        {{ known_at }} as known_from,
        cast(null as timestamp) as known_to
    from park
)
{%- if is_incremental() %},

held as (
    select * from {{ this }}
    where known_to is null
)

select known.*
from known
left anti join held on known.park_key = held.park_key and known.row_hash = held.row_hash
union all
select
    held.* except (known_to),
    {{ known_at }} as known_to
from held
left anti join known on held.park_key = known.park_key and held.row_hash = known.row_hash
{%- else %}

select * from known
{%- endif %}
{% endif %}

-- The source writes 97 for every overseas département, and one région for all of them. The INSEE
-- code of a commune begins with its département's, so places are found by that instead. Overseas
-- collectivities are in no région.
with communes as (
    select
        code_insee as commune_code,
        libelle_commune as commune_label,
        if(
            {{ is_overseas('code_insee') }}, left(code_insee, 3), id_departement
        ) as departement_code,
        id_region
    from {{ last_import('communes') }} as communes
),

departements as (
    select
        id_departement as departement_code,
        min(libelle_departement) as departement_label
    from {{ last_import('departements') }} as departements
    where id_departement != '97'
    group by id_departement
    union all
    select
        cast(departement_code as string) as departement_code,
        departement_label
    from {{ ref('overseas_departements') }}
),

regions as (
    select
        regions.id_region,
        regions.libelle_region as region_label,
        codes.region_code
    from {{ last_import('region') }} as regions
    left join {{ ref('region_codes') }} as codes
        on {{ plain_label('regions.libelle_region') }} = {{ plain_label('codes.region_label') }}
),

overseas as (
    select
        overseas.departement_code,
        overseas.region_label,
        codes.region_code
    from {{ ref('overseas_departements') }} as overseas
    left join {{ ref('region_codes') }} as codes
        on {{ plain_label('overseas.region_label') }} = {{ plain_label('codes.region_label') }}
),

placed as (
    select
        communes.commune_code,
        communes.commune_label,
        communes.departement_code,
        departements.departement_label,
        if(
            {{ is_overseas('communes.commune_code') }}, overseas.region_code, regions.region_code
        ) as region_code,
        if(
            {{ is_overseas('communes.commune_code') }}, overseas.region_label, regions.region_label
        ) as region_label
    from communes
    left join departements on communes.departement_code = departements.departement_code
    left join overseas on communes.departement_code = overseas.departement_code
    left join regions on communes.id_region = regions.id_region
)

select
    {{ row_hash([
        'commune_label', 'departement_code', 'departement_label', 'region_code', 'region_label'
    ]) }} as row_hash,
    commune_code,
    commune_label,
    departement_code,
    departement_label,
    region_code,
    region_label
from placed

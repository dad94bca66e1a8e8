-- The source writes 97 for every overseas département, and one région for all of them. The INSEE
-- code of a commune begins with that of its département, so places are found by the INSEE code.
-- Overseas collectivities are in no région.
with communes as (
    select
        code_insee as commune_code,
        libelle_commune as commune_label,
        {{ is_overseas('code_insee') }} as is_overseas,
        if(
            is_overseas,
            left(code_insee, 3),
            coalesce({{ insee_code('departement', 'id_departement') }}, left(code_insee, 2))
        ) as departement_code,
        if(is_overseas, departement_code, id_region) as region_found_by
    from {{ last_import('communes') }} as communes
),

-- Each code once. If a file also has INSEE's overseas codes, the seed's names are used, as for 97.
departements as (
    select
        departement_code,
        coalesce(max(seed_label), min(file_label)) as departement_label
    from (
        select
            id_departement as departement_code,
            libelle_departement as file_label,
            cast(null as string) as seed_label
        from {{ last_import('departements') }} as departements
        union all
        select
            cast(departement_code as string) as departement_code,
            cast(null as string) as file_label,
            departement_label as seed_label
        from {{ ref('overseas_departements') }}
    ) as named
    where departement_code != '97'
    group by departement_code
),

-- Found by the file's number, or by the overseas département.
regions as (
    select
        named.is_overseas,
        named.found_by,
        named.region_label,
        codes.region_code
    from (
        select
            false as is_overseas,
            id_region as found_by,
            libelle_region as region_label
        from {{ last_import('region') }} as regions
        union all
        select
            true as is_overseas,
            cast(departement_code as string) as found_by,
            region_label
        from {{ ref('overseas_departements') }}
    ) as named
    left join {{ ref('region_codes') }} as codes
        on {{ plain_label('named.region_label') }} = {{ plain_label('codes.region_label') }}
),

placed as (
    select
        communes.commune_code,
        communes.commune_label,
        communes.departement_code,
        departements.departement_label,
        regions.region_code,
        regions.region_label
    from communes
    left join departements on communes.departement_code = departements.departement_code
    left join regions
        on
            communes.is_overseas = regions.is_overseas
            and communes.region_found_by = regions.found_by
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

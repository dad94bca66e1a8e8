-- PDC, where meters stand, and PDK, where concentrators stand.
with places as (
    select
        'C' as equipment_type,
        try_cast(id_pdc as bigint) as place_id,
        try_cast(id_pdk as bigint) as pdk_id,
        code_insee_commune as commune_code
    from {{ last_import('pdc') }} as pdc
    union all
    select
        'K' as equipment_type,
        try_cast(id_pdk as bigint) as place_id,
        try_cast(id_pdk as bigint) as pdk_id,
        code_insee_commune as commune_code
    from {{ last_import('pdk') }} as pdk
)

select
    {{ surrogate_key(['equipment_type', 'place_id']) }} as place_key,
    {{ row_hash(['pdk_id', 'commune_code']) }} as row_hash,
    *
from places

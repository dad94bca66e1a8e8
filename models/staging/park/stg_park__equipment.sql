-- Meters and concentrators. Each type has its own numbers, so an id identifies an equipment only
-- together with the type.
with equipment as (
    select
        'C' as equipment_type,
        try_cast(id_compteur as bigint) as equipment_id,
        try_cast(constructeur_id as bigint) as manufacturer_id
    from {{ last_import('compteurs') }} as meters
    union all
    select
        'K' as equipment_type,
        try_cast(id_consentrateur as bigint) as equipment_id,
        try_cast(constructeur_id as bigint) as manufacturer_id
    from {{ last_import('concentrateurs') }} as concentrators
)

select
    {{ surrogate_key(['equipment_type', 'equipment_id']) }} as equipment_key,
    {{ row_hash(['manufacturer_id']) }} as row_hash,
    *
from equipment

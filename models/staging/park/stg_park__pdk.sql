select distinct
    try_cast(id_pdk as int) as pdk_id,
    code_insee_commune as commune_code
from {{ last_import('park_pdk', ['id_pdk', 'code_insee_commune']) }} as pdk

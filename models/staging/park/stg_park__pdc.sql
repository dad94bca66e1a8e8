select distinct
    try_cast(id_pdc as int) as pdc_id,
    try_cast(id_pdk as int) as pdk_id,
    code_insee_commune as commune_code
from {{ last_import('park_pdc', ['id_pdc', 'id_pdk', 'code_insee_commune']) }} as pdc

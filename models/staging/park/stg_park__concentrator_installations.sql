select distinct
    try_cast(id_pdk as int) as pdk_id,
    try_cast(id_concentrateurs as int) as concentrator_id,
    cast({{ timestamp_or_null('date_deb', 'yyyyMMdd') }} as date) as valid_from,
    date_add(cast({{ timestamp_or_null('date_fin', 'yyyyMMdd') }} as date), 1) as valid_to
from {{ last_import(
    'park_installation_k', ['id_pdk', 'id_concentrateurs', 'date_deb', 'date_fin']
) }} as installations

select distinct
    try_cast(id_pdc as int) as pdc_id,
    try_cast(id_compteur as int) as meter_id,
    cast({{ timestamp_or_null('date_deb', 'yyyyMMdd') }} as date) as valid_from,
    date_add(cast({{ timestamp_or_null('date_fin', 'yyyyMMdd') }} as date), 1) as valid_to
from {{ last_import(
    'park_installation_c', ['id_pdc', 'id_compteur', 'date_deb', 'date_fin']
) }} as installations

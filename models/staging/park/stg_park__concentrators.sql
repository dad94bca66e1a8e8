select distinct
    try_cast(id_consentrateur as int) as concentrator_id,
    try_cast(constructeur_id as int) as manufacturer_id
from {{ last_import(
    'park_concentrateurs', ['id_consentrateur', 'constructeur_id']
) }} as concentrators

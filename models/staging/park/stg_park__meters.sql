select distinct
    try_cast(id_compteur as int) as meter_id,
    try_cast(constructeur_id as int) as manufacturer_id
from {{ last_import('park_compteurs', ['id_compteur', 'constructeur_id']) }} as meters

-- The park as it was known at any time. To select a time:
--     where known_from <= timestamp '…' and (known_to is null or known_to > timestamp '…')
select * except (version_key, row_hash)
from {{ ref('meter_park_history') }}

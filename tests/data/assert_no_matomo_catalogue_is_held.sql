{{ config(severity='warn', tags=['matomo']) }}

-- A catalogue that lost too much waits for a person; the one before it stays current meanwhile.
select *
from {{ ref('matomo_held_catalogues') }}
where not is_rejected

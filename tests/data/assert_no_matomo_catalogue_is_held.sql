{{ config(severity='warn', tags=['matomo']) }}

-- A catalogue that lost too much waits for a person's decision; the one before it stays in use.
select *
from {{ ref('matomo_held_catalogues') }}
where not is_rejected

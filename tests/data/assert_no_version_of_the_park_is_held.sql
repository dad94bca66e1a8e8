{{ config(severity='warn', tags=['meters']) }}

-- A version that lost too much waits for a person; the one before it stays current meanwhile.
select *
from {{ ref('park_held_versions') }}
where not is_rejected

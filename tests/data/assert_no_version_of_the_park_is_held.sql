{{ config(severity='warn', tags=['meters']) }}

-- A version that lost too much waits for a person's decision; the one before it stays in use.
select *
from {{ ref('park_held_versions') }}
where not is_rejected

{{ config(materialized='view') }}

-- Each site as it was said last; a site that a message does not hold is not gone.
select
    sites.*,
    exported_at as changed_at
from {{ ref('stg_matomo__sites') }} as sites
qualify row_number() over (
    partition by site_id
    order by
        exported_at desc, row_hash asc, batch_id asc, topic asc, partition asc, offset asc
) = 1

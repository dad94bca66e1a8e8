-- Every meter message or line that staging could not use, with the reason and its place in raw.
select
    topic,
    partition,
    offset,
    line_index,
    batch_id,
    received_at,
    source_name,
    occurred_on,
    reason,
    rejected_line
from {{ ref('stg_meters__events') }}
where reason is not null

-- Every Matomo record or document that staging could not use, with the reason and its place in raw.
-- The payload stays in raw, because it may contain personal data. A record that a replay could use
-- after a fix is no longer here.
select
    topic,
    partition,
    offset,
    document_index,
    batch_id,
    exported_at,
    message_type,
    site_id,
    reason,
    detail
from (
    select
        *,
        max(batch_id) over (partition by topic, partition, offset) as last_read
    from {{ ref('stg_matomo__documents') }}
) as documents
where reason is not null and reason != 'filtered' and batch_id = last_read

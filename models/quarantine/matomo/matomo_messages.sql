-- Every Matomo record, or document of one, that staging could not take: why, and where it is in
-- raw. The payload stays in raw, since it may hold personal data. What a replay could use after a
-- fix is not here any more.
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

-- Every Matomo record, or document of one, that staging could not take: why, and where it is in
-- raw. The payload stays in raw, since it may hold personal data.
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
from {{ ref('stg_matomo__documents') }}
where reason is not null

-- Each usable visit document is exactly one version of a visit, so staging loses none.
select
    documents.topic,
    documents.partition,
    documents.offset,
    documents.document_index
from {{ ref('stg_matomo__documents') }} as documents
left anti join {{ ref('stg_matomo__visits') }} as visits
    on
        documents.topic = visits.topic
        and documents.partition = visits.partition
        and documents.offset = visits.offset
        and documents.document_index = visits.document_index
where documents.message_type = 'visit' and documents.reason is null

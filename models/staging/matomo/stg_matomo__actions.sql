{{ config(materialized='view') }}

-- One row per action of each version of a visit. The actions are stored once, in the visit's row.
select
    {{ surrogate_key(['visits.visit_key', 'action.position']) }} as action_key,
    visits.visit_key,
    visits.batch_id,
    visits.topic,
    visits.partition,
    visits.offset,
    visits.document_index,
    visits.exported_at,
    visits.site_id,
    visits.visit_id,
    action.*
from {{ ref('stg_matomo__visits') }} as visits
    lateral view explode(visits.actions) exploded as action

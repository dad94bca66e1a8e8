{{ config(materialized='view') }}

-- One row per custom variable of each version of a visit or of one of its actions.
select
    visits.visit_key,
    cast(null as string) as action_key,
    visits.batch_id,
    visits.topic,
    visits.partition,
    visits.offset,
    visits.document_index,
    visits.site_id,
    visits.visit_id,
    'visit' as scope,
    variable.slot as slot_index,
    variable.name,
    variable.value
from {{ ref('stg_matomo__visits') }} as visits
    lateral view explode(visits.custom_variables) exploded as variable
union all
select
    actions.visit_key,
    actions.action_key,
    actions.batch_id,
    actions.topic,
    actions.partition,
    actions.offset,
    actions.document_index,
    actions.site_id,
    actions.visit_id,
    'page' as scope,
    variable.slot as slot_index,
    variable.name,
    variable.value
from {{ ref('stg_matomo__actions') }} as actions
    lateral view explode(actions.custom_variables) exploded as variable

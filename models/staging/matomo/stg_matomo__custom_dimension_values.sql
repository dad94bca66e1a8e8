{{ config(materialized='view') }}

-- One row per value of a custom dimension, of each version of a visit or of one of its actions,
-- with the newest name of the dimension.
with field_values as (
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
        field,
        field_value
    from {{ ref('stg_matomo__visits') }} as visits
        lateral view explode(visits.custom_dimensions) exploded as field, field_value
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
        'action' as scope,
        field,
        field_value
    from {{ ref('stg_matomo__actions') }} as actions
        lateral view explode(actions.custom_dimensions) exploded as field, field_value
),

names as (
    select
        site_id,
        custom_dimension_id,
        max_by(name, struct(exported_at, offset)) filter (where name is not null)
            as custom_dimension_name
    from {{ ref('stg_matomo__custom_dimensions') }}
    group by site_id, custom_dimension_id
)

select
    field_values.* except (field, field_value),
    try_cast(substr(field_values.field, 10) as int) as custom_dimension_id,
    names.custom_dimension_name,
    field_values.field_value as value
from field_values
left join names
    on
        field_values.site_id = names.site_id
        and try_cast(substr(field_values.field, 10) as int) = names.custom_dimension_id

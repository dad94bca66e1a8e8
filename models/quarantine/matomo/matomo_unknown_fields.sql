-- Fields that Matomo sends and no model reads; a new version of Matomo shows here. They are kept in
-- `rest`. To give a field a column of its own takes one line in staging.
with unread_fields as (
    select
        visits.site_id,
        'visit' as found_in,
        field,
        visits.exported_at,
        visits.visit_key
    from {{ ref('stg_matomo__visits') }} as visits
        lateral view explode(map_keys(visits.rest)) exploded as field
    union all
    select
        visits.site_id,
        'action' as found_in,
        field,
        visits.exported_at,
        visits.visit_key
    from {{ ref('stg_matomo__visits') }} as visits
        lateral view explode(flatten(
            transform(visits.actions_rest, rest -> map_keys(rest))
        )) exploded as field
)

select
    site_id,
    found_in,
    field,
    count(distinct visit_key) as visits,
    min(exported_at) as first_exported_at,
    max(exported_at) as last_exported_at
from unread_fields
group by site_id, found_in, field

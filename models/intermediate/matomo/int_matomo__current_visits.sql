-- Visits as they are now, with their site's time zone and offset from UTC. Nearly every visit shows
-- its offset itself: its first and last action show the same one. For all other visits the site's
-- time zone decides. Their batch_id includes the batch of their site, so they are read again when
-- the time zone becomes known.
with located as (
    select
        visits.* except (batch_id),
        visits.batch_id as visit_batch_id,
        sites.batch_id as site_batch_id,
        {{ matomo_known_zone('sites.time_zone') }} as time_zone,
        visits.last_utc_offset_seconds is null
        or visits.first_utc_offset_seconds != visits.last_utc_offset_seconds as is_uncertain
    from {{ ref('snap_matomo__visits') }} as visits
    left join {{ ref('matomo_sites') }} as sites on visits.site_id = sites.site_id
    where visits.dbt_valid_to is null
),

zoned as (
    select
        * except (site_batch_id, is_uncertain),
        if(is_uncertain, greatest(visit_batch_id, site_batch_id), visit_batch_id) as batch_id,
        coalesce(
            -- The last action alone may mislead: Matomo cuts long visits off, and a visit may last
            -- beyond its last action.
            if(is_uncertain, null, last_utc_offset_seconds),
            cast(
                unix_seconds(from_utc_timestamp(last_action_at, time_zone))
                - unix_seconds(last_action_at) as int
            ),
            last_utc_offset_seconds,
            0
        ) as site_utc_offset_seconds
    from located
)

select
    *,
    cast(
        timestamp_seconds(unix_seconds(last_action_at) + site_utc_offset_seconds) as timestamp_ntz
    ) as last_action_at_local,
    cast(last_action_at_local as date) as visit_date,
    coalesce(visitor_id, fingerprint) as visitor_key
from zoned

{% macro matomo_changed_visits() -%}
    {#- The visits as they are now that this incremental lake model has not read yet, with what only the
        site's time zone tells: `site_utc_offset_seconds` (of the last action, seconds east of UTC),
        `visit_date` and `last_action_at_local`. Nearly every visit says its offset itself, the
        same by its first and its last action; another is read again when its site's time zone is known. -#}
    {%- set sites = ref('matomo_sites') -%}
    {%- set clock = ref('stg_matomo__documents') -%}
    {%- set mark = -1 -%}
    {%- set zoned = [] -%}
    {%- if execute and is_incremental() -%}
        {%- set mark = newest_batch(this, clock) -%}
        {%- for site in run_query(
            'select distinct site_id from ' ~ sites ~ ' where batch_id > ' ~ mark
        ).columns[0].values() -%}
            {%- do zoned.append(site | string) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set is_uncertain = 'visits.last_utc_offset_seconds is null'
        ~ ' or visits.first_utc_offset_seconds != visits.last_utc_offset_seconds' -%}
    (
        select
            *,
            cast(
                timestamp_seconds(unix_seconds(last_action_at) + site_utc_offset_seconds)
                as timestamp_ntz
            ) as last_action_at_local,
            cast(last_action_at_local as date) as visit_date,
            coalesce(visitor_id, fingerprint) as visitor_key
        from (
            select
                visits.* except (batch_id),
                {{ matomo_known_zone('sites.time_zone') }} as time_zone,
                if({{ is_uncertain }}, greatest(visits.batch_id, sites.batch_id), visits.batch_id)
                    as batch_id,
                coalesce(
                    -- One end alone may mislead: Matomo cuts long visits off, and a visit may last
                    -- beyond its last action.
                    if({{ is_uncertain }}, null, visits.last_utc_offset_seconds),
                    cast(
                        unix_seconds(from_utc_timestamp(visits.last_action_at, {{ matomo_known_zone('sites.time_zone') }}))
                        - unix_seconds(visits.last_action_at) as int
                    ),
                    visits.last_utc_offset_seconds,
                    0
                ) as site_utc_offset_seconds
            from {{ ref('snap_matomo__visits') }} as visits
            left join {{ sites }} as sites on visits.site_id = sites.site_id
            where visits.dbt_valid_to is null
                and (
                    visits.batch_id > {{ mark }}
                    {%- if zoned %}
                    or (({{ is_uncertain }}) and {{ one_of('visits.site_id', zoned) }})
                    {%- endif %}
                )
        )
    )
{%- endmacro %}

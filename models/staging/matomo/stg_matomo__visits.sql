{{ config(materialized='incremental', incremental_strategy='append') }}

-- One row per version of a visit: a visit is exported again while it grows. The columns come from
-- the document alone, so a version is the same in every batch.
with times as (
    select
        *,
        {{ epoch_seconds("fields['firstActionTimestamp']") }} as first_action,
        {{ epoch_seconds("fields['lastActionTimestamp']") }} as last_action,
        transform(actions, action -> {{ epoch_seconds("action['timestamp']") }}) as action_times
    from {{ ref('stg_matomo__documents') }}
    where message_type = 'visit' and reason is null and {{ new_batches() }}
),

visits as (
    select
        times.* except (first_action, last_action, action_times),
        timestamp_seconds(first_action) as first_action_at,
        timestamp_seconds(last_action) as last_action_at,
        -- Matomo writes action times on the site's wall clock, visit times in UTC. Actions keep
        -- their order even if the clock went back.
        cast(coalesce(
            {{ utc_offset('get(action_times, 0) - first_action') }},
            {{ utc_offset('array_min(action_times) - first_action') }}
        ) as int) as first_utc_offset_seconds,
        cast(coalesce(
            {{ utc_offset('get(action_times, size(action_times) - 1) - last_action') }},
            {{ utc_offset('array_max(action_times) - last_action') }}
        ) as int) as last_utc_offset_seconds
    from times
),

columns_of_visits as (
    select
        batch_id,
        topic,
        partition,
        offset,
        document_index,
        exported_at,
        site_id,
        try_cast(fields['idVisit'] as bigint) as visit_id,
        {{ visit_block("try_cast(fields['idVisit'] as bigint)") }} as visit_block,
        {%- for name, roles, expression in matomo_visit_columns() %}
        {{ expression }} as {{ name }},
        {%- endfor %}
        map_filter(
            fields,
            (name, text) -> text is not null and not {{ matomo_is_known_field('visit', 'name') }}
        ) as rest,
        transform(
            actions,
            action -> map_filter(
                action,
                (name, text) -> not (
                    text is null or {{ matomo_is_known_field('action', 'name') }}
                )
            )
        ) as actions_rest,
        transform(actions, (action, position) -> {{ matomo_action('action', 'position') }})
            as actions
    from visits
)

select
    {{ surrogate_key(['site_id', 'visit_id']) }} as visit_key,
    {{ row_hash(matomo_visit_columns('hash') | list + ['actions']) }} as row_hash,
    *
from columns_of_visits

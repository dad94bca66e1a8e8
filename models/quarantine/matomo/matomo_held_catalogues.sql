-- Held catalogues: they lost too much to be used without a person's decision; an older one stays in
-- use.
with states as (
    {%- for catalogue in matomo_catalogues() %}
    {{ 'union all' if not loop.first }}
    select
        '{{ catalogue }}' as catalogue,
        site_id,
        state
    from ({{ matomo_catalogue_states(catalogue) }}) as of_sites
    {%- endfor %}
),

held_catalogues as (
    select
        catalogue,
        site_id,
        state.taken.name as current_version,
        held
    from states
        lateral view explode(state.held) exploded as held
)

select
    held_catalogues.catalogue,
    held_catalogues.site_id,
    held.catalogue.name as version,
    held.catalogue.batch_id,
    held.catalogue.exported_at,
    held.reason,
    held.entries_before,
    size(held.catalogue.entries) as entries_now,
    held_catalogues.current_version,
    rejected.version is not null as is_rejected,
    concat(
        'dbt run-operation accept --args ''{version: ', held.catalogue.name, ', reason: …}'''
    ) as accept_command
from held_catalogues
left join {{ versions_decided('reject') }} as rejected on held.catalogue.name = rejected.version

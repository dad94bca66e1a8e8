-- Each statistic counts every event once: no join multiplies or loses events.
with statistics as (
    {% for by in ['type', 'equipment', 'commune', 'departement', 'region', 'pdk'] %}
    {% for period in ['annual', 'monthly', 'weekly', 'daily'] %}
    {{ 'union all' if not (loop.first and by == 'type') }}
    select
        '{{ by }}_{{ period }}' as statistic,
        coalesce(sum(events), 0) as events
    from {{ ref('meter_event_counts_by_' ~ by ~ '_' ~ period) }}
    {% endfor %}
    {% endfor %}
)

select *
from statistics
where events != (select coalesce(sum(events), 0) from {{ ref('meter_event_counts') }})

{% macro matomo_events_by(label) -%}
    {#- A report about events. As in Matomo, a visit (or visitor) counts once for each combination
        of category, action and name. label: a column of lake.matomo_actions. -#}
    {%- set event = 'event_category, event_action, event_name' -%}
    with sums as (
        select
            site_id,
            periods.period,
            periods.period_start,
            label,
            count(*) as nb_events,
            count(distinct struct(visit_key, {{ event }})) as nb_visits,
            count(distinct if(visitor_key is null, null, struct(visitor_key, {{ event }})))
                as nb_uniq_visitors,
            count_if(event_value is not null) as nb_events_with_value,
            round(coalesce(sum(event_value), 0), 2) as sum_event_value,
            round(min(event_value), 2) as min_event_value,
            round(max(event_value), 2) as max_event_value
        from (
            select
                *,
                coalesce(
                    {{ matomo_decoded(label) }}, 'Event {{ label.split("_")[1] | capitalize }} not defined'
                ) as label
            from {{ ref('matomo_actions') }}
            where action_type = 'event'
        )
            {{ each_period('action_date') }}
        group by site_id, periods.period, periods.period_start, label
    )

    select
        *,
        {{ matomo_ratio('sum_event_value', 'nb_events_with_value', 2) }} as avg_event_value
    from sums
{%- endmacro %}

{% macro matomo_pages_by(
    label, page, types, entry=none, exit=none, only='true', columns={}, of_day=none, having='true'
) -%}
    {#-
        A report about page views, downloads, outlinks or searches: hits and visits by label and,
        for pages, the entries and exits of visits. A hit counts on the site's day of the action, an
        entry or exit on the day of the visit.
        label: an SQL expression over lake.matomo_actions, decoded here; page: a visit counts once
        for each value of it; types: action types; entry, exit: boolean columns that mark a visit's
        entry and exit; only: a predicate on the rows of the report; columns: further metrics, name:
        aggregate; of_day: an aggregate over the actions of a label on one day; having: a predicate
        on aggregates, which may use `of_day`.
    -#}
    with {{ 'labelled' if of_day else 'actions' }} as (
        select
            *,
            {{ label }} as raw_label,
            {{ matomo_decoded('raw_label') }} as label,
            {{ page }} as page
        from {{ ref('matomo_actions') }}
        where action_type in ('{{ types | join("', '") }}')
    ),
    {%- if of_day %}

    actions as (
        select *, {{ of_day }} over (partition by site_id, action_date, label) as of_day from labelled
    ),
    {%- endif %}

    facts as (
        select actions.*, action_date as day, 'hit' as fact from actions
        {%- if entry %}
        union all
        select actions.*, visit_date as day, 'entry' as fact from actions where {{ entry }}
        {%- endif %}
        {%- if exit %}
        union all
        select actions.*, visit_date as day, 'exit' as fact from actions where {{ exit }}
        {%- endif %}
    ),

    sums as (
        select
            site_id,
            periods.period,
            periods.period_start,
            label,
            {%- if 'page' in types or 'download' in types %}
            min(url) as url,
            {%- endif %}
            count_if(fact = 'hit') as nb_hits,
            count(distinct if(fact = 'hit', struct(visit_key, page), null)) as nb_visits,
            count(distinct if(fact = 'hit' and visitor_key is not null, struct(visitor_key, page), null))
                as nb_uniq_visitors,
            coalesce(
                sum({{ matomo_whole('time_spent_seconds') }}) filter (where fact = 'hit'), 0
            ) as sum_time_spent,
            {%- if entry %}
            count_if(fact = 'entry') as entry_nb_visits,
            count(distinct if(fact = 'entry' and visitor_key is not null, struct(visitor_key, page), null))
                as entry_nb_uniq_visitors,
            coalesce(sum(visit_action_count) filter (where fact = 'entry'), 0) as entry_nb_actions,
            coalesce(sum(visit_duration_seconds) filter (where fact = 'entry'), 0)
                as entry_sum_visit_length,
            count_if(fact = 'entry' and {{ matomo_is_bounce('visit_action_count') }}) as entry_bounce_count,
            {%- endif %}
            {%- if exit %}
            count_if(fact = 'exit') as exit_nb_visits,
            count(distinct if(fact = 'exit' and visitor_key is not null, struct(visitor_key, page), null))
                as exit_nb_uniq_visitors,
            {%- endif %}
            {%- for name, aggregate in columns.items() %}
            {{ aggregate }} as {{ name }},
            {%- endfor %}
            true as is_row
        from facts
            {{ each_period('day') }}
        group by site_id, periods.period, periods.period_start, label
        having {{ having }}
    )

    select
        sums.* except (is_row),
        {%- if entry %}
        {{ matomo_ratio('entry_bounce_count', 'entry_nb_visits', 2) }} as bounce_rate,
        {%- endif %}
        {%- if exit %}
        {{ matomo_ratio('exit_nb_visits', 'nb_visits', 2) }} as exit_rate,
        {%- endif %}
        cast({{ matomo_ratio('sum_time_spent', 'nb_hits', 0) }} as bigint) as avg_time_on_page
    from sums
    where {{ only }}
{%- endmacro %}

{#-
    Matomo's reports. The view of a report declares its dimension and, if Matomo has one, the code
    of its label. The macros contain the metrics of each kind of report. They compute them from
    detail for each site and day, week, month and year, so metrics that do not add up (visitors) are
    never summed.
-#}
{% macro matomo_visits_by(label, code=none, visits='true', labels=none, conversion_label=none) -%}
    {#-
        A report about visits: one row per site, period and label, with the metrics of the visits
        and their conversions. A visit counts on the site's day of its last action, a conversion on
        its own day.
        label: an SQL expression over columns that lake.matomo_visits and lake.matomo_conversions
        share; code: the same for the code of the label; visits: a predicate on both tables that
        selects the visits of the report; labels: SQL literals of labels that always have a row,
        with zeros if there are no visits; conversion_label: the label of a conversion, if it is not
        the label of its visit.
    -#}
    {%- set code = code or 'cast(null as string)' -%}
    with facts as (
        select
            site_id,
            visit_date as day,
            {{ label }} as label,
            {{ code }} as code,
            visit_key,
            visitor_key,
            user_id,
            action_count,
            visit_duration_seconds,
            is_converted,
            last_action_at as seen_at,
            cast(null as string) as conversion_key,
            cast(null as decimal(18, 4)) as revenue
        from {{ ref('matomo_visits') }}
        where {{ visits }}
        union all
        select
            site_id,
            conversion_date as day,
            {{ conversion_label or label }} as label,
            {{ code }} as code,
            cast(null as string) as visit_key,
            cast(null as string) as visitor_key,
            cast(null as string) as user_id,
            cast(null as int) as action_count,
            cast(null as bigint) as visit_duration_seconds,
            cast(null as boolean) as is_converted,
            occurred_at as seen_at,
            conversion_key,
            revenue
        from {{ ref('matomo_conversions') }}
        where conversion_type != 'abandoned_cart' and {{ visits }}
        {%- if labels %}
        union all
        select distinct
            site_id,
            visit_date as day,
            always.label,
            cast(null as string) as code,
            cast(null as string) as visit_key,
            cast(null as string) as visitor_key,
            cast(null as string) as user_id,
            cast(null as int) as action_count,
            cast(null as bigint) as visit_duration_seconds,
            cast(null as boolean) as is_converted,
            cast(null as timestamp) as seen_at,
            cast(null as string) as conversion_key,
            cast(null as decimal(18, 4)) as revenue
        from {{ ref('matomo_visits') }}
        cross join values {% for each in labels %}({{ each }}){{ ', ' if not loop.last }}{% endfor %}
            as always (label)
        {%- endif %}
    ),

    sums as (
        select
            site_id,
            periods.period,
            periods.period_start,
            {%- if code == 'cast(null as string)' %}
            label,
            {%- else %}
            -- Labels of one code may be in several languages: take the newest.
            coalesce(max_by(label, if(label is null, null, seen_at)), max(label), code) as label,
            code,
            {%- endif %}
            {{ matomo_visit_metrics() }},
            count(conversion_key) as nb_conversions,
            {{ matomo_summed_money('revenue') }} as revenue
        from facts
            {{ each_period('day') }}
        group by
            site_id, periods.period, periods.period_start,
            {{ 'label' if code == 'cast(null as string)' else 'code' }}
    )

    select
        site_id,
        period,
        period_start,
        label,
        {%- if code != 'cast(null as string)' %}
        code,
        {%- endif %}
        nb_visits,
        nb_uniq_visitors,
        nb_users,
        nb_actions,
        max_actions,
        sum_visit_length,
        bounce_count,
        nb_visits_converted,
        nb_conversions,
        revenue,
        {{ matomo_visit_rates() }},
        {{ matomo_ratio('nb_visits_converted', 'nb_visits', 4) }} as conversion_rate,
        {{ matomo_ratio(
            'nb_visits', 'sum(nb_visits) over (partition by site_id, period, period_start)', 4
        ) }} as nb_visits_percentage
    from sums
{%- endmacro %}

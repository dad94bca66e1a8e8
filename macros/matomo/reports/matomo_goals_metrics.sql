{% macro matomo_goals_metrics(conversion='true', ecommerce=none, by_goal=false) -%}
    {#-
        A report about conversions by site and period, or with `by_goal` also by goal: for all
        visits, new visits and returning visits, as in Matomo's Goals.get. A period with visits has
        a row (with `by_goal` one for each goal of the catalogue), with zeros if there were no
        conversions.
        conversion: a predicate on lake.matomo_conversions; ecommerce: none, order or cart.
    -#}
    {%- set kinds = {
        '': 'true',
        '_new_visit': "visitor_type = 'new'",
        '_returning_visit': "visitor_type != 'new'"
    } -%}
    {%- set sums = {'order': ['subtotal', 'tax', 'shipping', 'discount'], 'cart': []}.get(ecommerce, []) -%}
    with visits as (
        select
            site_id,
            periods.period,
            periods.period_start
            {%- for suffix, kind in kinds.items() %},
            count_if({{ kind }}) as nb_visits{{ suffix }}
            {%- if not ecommerce and not by_goal %},
            count_if(is_converted and {{ kind }}) as nb_visits_converted{{ suffix }}
            {%- endif %}
            {%- endfor %}
        from {{ ref('matomo_visits') }}
            {{ each_period('visit_date') }}
        group by site_id, periods.period, periods.period_start
    ),
    {%- if by_goal %}

    expected as (
        select visits.site_id, visits.period, visits.period_start, goals.goal_id
        from visits
        inner join {{ ref('matomo_goals') }} as goals
            on visits.site_id = goals.site_id and goals.is_current
    ),
    {%- endif %}

    conversions as (
        select
            site_id,
            periods.period,
            periods.period_start
            {%- if by_goal %},
            goal_id
            {%- endif %}
            {%- for suffix, kind in kinds.items() %},
            count_if({{ kind }}) as nb_conversions{{ suffix }},
            {%- if ecommerce or by_goal %}
            count(distinct if({{ kind }}, visit_key, null)) as nb_visits_converted{{ suffix }},
            {%- endif %}
            {%- if ecommerce %}
            coalesce(sum(item_count) filter (where {{ kind }}), 0) as items{{ suffix }},
            {%- endif %}
            {%- for part in sums %}
            {{ matomo_summed_money('if(' ~ kind ~ ', revenue_' ~ part ~ ', null)') }}
                as revenue_{{ part }}{{ suffix }},
            {%- endfor %}
            {{ matomo_summed_money('if(' ~ kind ~ ', revenue, null)') }}
                as revenue{{ suffix }}
            {%- endfor %}
        from {{ ref('matomo_conversions') }}
            {{ each_period('conversion_date') }}
        where {{ conversion }}
        group by site_id, periods.period, periods.period_start {{- ', goal_id' if by_goal }}
    )

    select
        site_id,
        period,
        period_start,
        {%- if by_goal %}
        coalesce(goals.name, 'Goal ' || goal_id, 'Goal not defined') as label,
        cast(goal_id as string) as code,
        {%- endif %}
        {%- for suffix in kinds %}
        coalesce(nb_conversions{{ suffix }}, 0) as nb_conversions{{ suffix }},
        coalesce(nb_visits_converted{{ suffix }}, 0) as nb_visits_converted{{ suffix }},
        coalesce(conversions.revenue{{ suffix }}, 0) as revenue{{ suffix }},
        {%- for part in sums %}
        coalesce(revenue_{{ part }}{{ suffix }}, 0) as revenue_{{ part }}{{ suffix }},
        {%- endfor %}
        {%- if ecommerce %}
        coalesce(items{{ suffix }}, 0) as items{{ suffix }},
        {{ matomo_ratio('conversions.revenue' ~ suffix, 'nb_conversions' ~ suffix, 2) }}
            as avg_order_revenue{{ suffix }},
        {%- endif %}
        {{ matomo_ratio('nb_visits_converted' ~ suffix, 'nb_visits' ~ suffix, 4) }}
            as conversion_rate{{ suffix }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    {%- if by_goal %}
    from expected
    full outer join conversions using (site_id, period, period_start, goal_id)
    left join visits using (site_id, period, period_start)
    left join {{ ref('matomo_goals') }} as goals using (site_id, goal_id)
    {%- else %}
    from visits
    full outer join conversions using (site_id, period, period_start)
    {%- endif %}
{%- endmacro %}

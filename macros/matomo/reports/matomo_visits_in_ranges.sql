{% macro matomo_visits_in_ranges(ranges) -%}
    {#- A report of the number of visits in each range, also if it is 0. A visit may be in two
        ranges. ranges: a list of label and predicate over lake.matomo_visits. -#}
    with days as (
        select
            site_id,
            visit_date as day,
            array(
                {%- for label, is_in in ranges %}
                named_struct('label', '{{ label }}', 'nb_visits', count_if({{ is_in }}))
                {{- ',' if not loop.last }}
                {%- endfor %}
            ) as ranges
        from {{ ref('matomo_visits') }}
        group by site_id, visit_date
    ),

    sums as (
        select
            site_id,
            periods.period,
            periods.period_start,
            label,
            sum(nb_visits) as nb_visits
        from days
            lateral view inline(ranges) exploded_ranges as label, nb_visits
            {{ each_period('day') }}
        group by site_id, periods.period, periods.period_start, label
    )

    select
        *,
        {{ matomo_ratio(
            'nb_visits', 'sum(nb_visits) over (partition by site_id, period, period_start)', 4
        ) }} as nb_visits_percentage
    from sums
{%- endmacro %}

{% macro matomo_compared_reports(reports) -%}
    {#- Rows in which the newest of Matomo's own reports differs from a view. Only comparable
        reports are used: of a period that the views have, and of all visits. reports: a list of
        method, view, metrics, and whether the report is of one goal. -#}
    with told as (
        select *
        from {{ ref('matomo_reports') }}
        where not_comparable is null
    )

    select
        site_id,
        period,
        period_start,
        report,
        goal,
        metric,
        matomo,
        lacustre,
        lacustre - matomo as difference,
        exported_at
    from (
        {%- for method, view, metrics, of_goal in reports %}
        select
            told.site_id,
            told.period,
            told.period_start,
            told.goal,
            told.exported_at,
            '{{ view }}' as report,
            stack(
                {{ metrics | length }}
                {%- for metric in metrics %},
                '{{ metric }}',
                try_cast(told.metrics['{{ metric }}'] as double),
                coalesce(cast(ours.{{ metric }} as double), 0)
                {%- endfor %}
            ) as (metric, matomo, lacustre)
        from told
        left join {{ ref(view) }} as ours
            on
                told.site_id = ours.site_id
                and told.period = ours.period
                and told.period_start = ours.period_start
                {{- ' and told.goal = ours.code' if of_goal }}
        where told.method = '{{ method }}' and told.goal is {{ 'not null' if of_goal else 'null' }}
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as compared
    where abs(matomo - lacustre) > 0.005
{%- endmacro %}

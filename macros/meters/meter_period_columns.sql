{% macro meter_period_columns(period) -%}
    {#- The columns that name a period of meter statistics, from the date `occurred_on`.
        period: annual, monthly, weekly (ISO week and ISO year) or daily. -#}
    {%- if period == 'annual' -%}
    cast(trunc(occurred_on, 'year') as date) as period_start,
    extract(year from occurred_on) as year
    {%- elif period == 'monthly' -%}
    cast(trunc(occurred_on, 'month') as date) as period_start,
    extract(year from occurred_on) as year,
    extract(month from occurred_on) as month
    {%- elif period == 'weekly' -%}
    cast(date_trunc('week', occurred_on) as date) as period_start,
    extract(yearofweek from occurred_on) as iso_year,
    extract(week from occurred_on) as iso_week
    {%- elif period == 'daily' -%}
    occurred_on as period_start,
    extract(year from occurred_on) as year,
    extract(month from occurred_on) as month,
    extract(day from occurred_on) as day_of_month
    {%- else -%}
    {{ exceptions.raise_compiler_error('meter_period_columns: unknown period ' ~ period) }}
    {%- endif -%}
{%- endmacro %}


{% macro meter_event_counts(period, dimensions) -%}
    {#- A whole statistic: events per period and `dimensions`, which are columns of
        meter_event_counts. -#}
    select
        {{ meter_period_columns(period) }},
        {{ dimensions | join(', ') }},
        sum(events) as events
    from {{ ref('meter_event_counts') }}
    group by all
{%- endmacro %}

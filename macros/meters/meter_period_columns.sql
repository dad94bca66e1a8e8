{% macro meter_period_columns(period) -%}
    {#- The columns that name a period of meter statistics, from the date `occurred_on`.
        period: annual, monthly, weekly (ISO week and ISO year) or daily. -#}
    {%- set year = 'extract(year from occurred_on) as year' -%}
    {%- set month = 'extract(month from occurred_on) as month' -%}
    {%- set week = 'extract(yearofweek from occurred_on) as iso_year,'
        ~ ' extract(week from occurred_on) as iso_week, extract(week from occurred_on) as week' -%}
    {%- if period == 'annual' -%}
    cast(trunc(occurred_on, 'year') as date) as period_start, {{ year }}
    {%- elif period == 'monthly' -%}
    cast(trunc(occurred_on, 'month') as date) as period_start, {{ year }}, {{ month }}
    {%- elif period == 'weekly' -%}
    cast(date_trunc('week', occurred_on) as date) as period_start, {{ week }}
    {%- elif period == 'daily' -%}
    occurred_on as period_start, {{ year }}, {{ month }}, {{ week }},
    extract(day from occurred_on) as day_of_month,
    extract(dayofweek_iso from occurred_on) as day_of_week,
    extract(dayofweek from occurred_on) as day
    {%- else -%}
    {{ exceptions.raise_compiler_error('meter_period_columns: unknown period ' ~ period) }}
    {%- endif -%}
{%- endmacro %}

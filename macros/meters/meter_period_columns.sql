{% macro meter_period_columns(period) -%}
    {#- The columns that describe a period of meter statistics, from the date `occurred_on`. period:
        annual, monthly, weekly (ISO week and ISO year) or daily. -#}
    {%- set year = 'extract(year from occurred_on) as year' -%}
    {%- set month = 'extract(month from occurred_on) as month' -%}
    {%- set number = iso_week('occurred_on', 'number') -%}
    {%- set week = iso_week('occurred_on', 'year') ~ ' as iso_year, '
        ~ number ~ ' as iso_week, ' ~ number ~ ' as week' -%}
    {%- if period == 'annual' -%}
    cast(trunc(occurred_on, 'year') as date) as period_start, {{ year }}
    {%- elif period == 'monthly' -%}
    cast(trunc(occurred_on, 'month') as date) as period_start, {{ year }}, {{ month }}
    {%- elif period == 'weekly' -%}
    {{ iso_week('occurred_on', 'start') }} as period_start, {{ week }}
    {%- elif period == 'daily' -%}
    occurred_on as period_start, {{ year }}, {{ month }}, {{ week }},
    extract(day from occurred_on) as day_of_month,
    extract(dayofweek_iso from occurred_on) as day_of_week,
    extract(dayofweek from occurred_on) as day
    {%- else -%}
    {{ exceptions.raise_compiler_error('meter_period_columns: unknown period ' ~ period) }}
    {%- endif -%}
{%- endmacro %}

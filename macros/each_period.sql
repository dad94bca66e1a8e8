{% macro each_period(day, alias='exploded') -%}
    {#- A lateral view that repeats a row for the day, ISO week (from Monday), month and year that
        contain the date `day`: columns `period` and `period_start` of `periods`. alias: of the
        lateral view, for a statement that has another lateral view. -#}
    lateral view explode(array(
        named_struct('period', 'day', 'period_start', {{ day }}),
        named_struct('period', 'week', 'period_start', {{ iso_week(day, 'start') }}),
        named_struct('period', 'month', 'period_start', cast(trunc({{ day }}, 'month') as date)),
        named_struct('period', 'year', 'period_start', cast(trunc({{ day }}, 'year') as date))
    )) {{ alias }} as periods
{%- endmacro %}

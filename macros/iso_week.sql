{% macro iso_week(day, part) -%}
    {#- The Monday of the ISO week of a date (`start`, a date), the number of the week (`number`),
        or the ISO year of that number (`year`), which differs from the calendar year around New
        Year. day: an SQL expression, date. -#}
    {%- if part == 'start' -%}
    cast(date_trunc('week', {{ day }}) as date)
    {%- elif part == 'number' -%}
    extract(week from {{ day }})
    {%- elif part == 'year' -%}
    extract(yearofweek from {{ day }})
    {%- else -%}
    {{ exceptions.raise_compiler_error('iso_week: unknown part ' ~ part) }}
    {%- endif -%}
{%- endmacro %}

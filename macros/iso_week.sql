{% macro iso_week(day, part) -%}
    {#- What the ISO week of a date is: its Monday (`start`, a date), its number (`number`), or the year that
        the number counts in (`year`), which around New Year is not the calendar's.
        day: an SQL expression, date. -#}
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

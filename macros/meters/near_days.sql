{% macro near_days(days) -%}
    {#- A predicate on events of the lake: they occurred on one of `days` (date literals, as
        `touched` returns them); true on a model's first build. It also names their months, because
        the partitions are months. -#}
    {%- set months = [] -%}
    {%- for day in days -%}
        {%- do months.append(day[:8] ~ "-01'") -%}
    {%- endfor -%}
    {%- if is_incremental() -%}
    {{ one_of('occurred_month', months | unique | list) }} and {{ one_of('occurred_on', days) }}
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}

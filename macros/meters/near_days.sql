{% macro near_days(days) -%}
    {#- A predicate on the lake's events: they occurred on one of `days`, date literals as `touched`
        gives them; all of them on a model's first build. Their months are named too, since those are
        the partitions. -#}
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

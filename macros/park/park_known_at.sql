{% macro park_known_at() -%}
    {#- When the snapshots last saw the park change (park_clock), as a timestamp literal: the clock of the
        park's history, as batch_id is that of events. -#}
    {%- set times = [] -%}
    {%- for snapshot in park_snapshots() -%}
        {%- do times.append(last_change_of(ref(snapshot))) -%}
    {%- endfor -%}
    {%- do return(newest_of(times | join(' union all '))) -%}
{%- endmacro %}

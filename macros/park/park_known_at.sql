{% macro park_known_at() -%}
    {#- The time of the newest change in the park's snapshots (park_clock), as a timestamp literal.
        It decides what is new in the history of the park, as batch_id does for events. -#}
    {%- set times = [] -%}
    {%- for snapshot in park_snapshots() -%}
        {%- do times.append(last_change_of(ref(snapshot))) -%}
    {%- endfor -%}
    {%- do return(newest_of(times | join(' union all '))) -%}
{%- endmacro %}

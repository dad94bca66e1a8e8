{% macro this_build() -%}
    {#- A dictionary in which one invocation keeps values for all its nodes. It is part of `graph`,
        because dbt passes the same `graph` to every node. -#}
    {%- do return(graph.setdefault(
        'lacustre', {'batches': {}, 'found': {}, 'left_alone': {}, 'answers': {}}
    )) -%}
{%- endmacro %}

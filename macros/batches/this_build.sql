{% macro this_build() -%}
    {#- What one invocation keeps for all of its nodes: a dictionary. dbt hands the same `graph` to
        every node of it. -#}
    {%- do return(graph.setdefault(
        'lacustre', {'batches': {}, 'found': {}, 'left_alone': {}, 'answers': {}}
    )) -%}
{%- endmacro %}

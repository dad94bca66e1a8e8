{% macro this_build() -%}
    {#- What one invocation keeps for all of its models: a dictionary. dbt hands the same `graph` to
        every model of it. -#}
    {%- do return(graph.setdefault('lacustre', {'batches': {}, 'found': {}, 'left_alone': {}})) -%}
{%- endmacro %}

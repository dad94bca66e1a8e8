{% macro has_columns_as_before(id) -%}
    {#- Whether everything that a view reads is known to have the same columns as before this build:
        views and seeds that this build left alone, and incremental models whose table existed. -#}
    {%- for parent in graph.nodes[id].depends_on.nodes -%}
        {%- set node = graph.nodes.get(parent, {}) -%}
        {%- set kind = node.config.materialized if node else none -%}
        {%- if kind == 'ephemeral' -%}
            {%- set same = has_columns_as_before(parent) -%}
        {%- elif kind == 'incremental' -%}
            {%- set same = parent in this_build()['found']
                and node.config.on_schema_change in ['ignore', 'fail'] -%}
        {%- else -%}
            {%- set same = parent in this_build()['left_alone'] -%}
        {%- endif -%}
        {%- if not same -%}
            {%- do return(false) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(graph.nodes[id].depends_on.nodes | length > 0) -%}
{%- endmacro %}

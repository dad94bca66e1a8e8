{% macro snapshot_relation(name) -%}
    {#- The table of snapshot `name`; none before its first run. A snapshot's input needs it to find
        what the snapshot has read. `ref` cannot be used there, because it would make a cycle. -#}
    {%- if execute -%}
        {%- do return(load_relation(api.Relation.create(
            schema=generate_schema_name('snapshots', none), identifier=name
        ))) -%}
    {%- endif -%}
    {%- do return(none) -%}
{%- endmacro %}

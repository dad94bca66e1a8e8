{% macro snapshot_relation(name) -%}
    {#- The table of snapshot `name`, or none before its first run. A snapshot's input needs it to
        know what the snapshot has seen, which `ref` cannot say: it would be a cycle. -#}
    {%- if execute -%}
        {%- do return(load_relation(api.Relation.create(
            schema=generate_schema_name('snapshots', none), identifier=name
        ))) -%}
    {%- endif -%}
    {%- do return(none) -%}
{%- endmacro %}

{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- Layers have their plain names on the targets local and prod, and a prefix on all others. -#}
    {%- set layer = (custom_schema_name or target.schema) | trim -%}
    {%- if custom_schema_name and target.name not in ['local', 'prod'] -%}
        {{ target.schema }}_{{ layer }}
    {%- else -%}
        {{ layer }}
    {%- endif -%}
{%- endmacro %}

{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- Plain layer names on the targets that are shared on purpose, a prefix everywhere else. -#}
    {%- set layer = (custom_schema_name or target.schema) | trim -%}
    {%- if custom_schema_name and target.name not in ['local', 'prod'] -%}
        {{ target.schema }}_{{ layer }}
    {%- else -%}
        {{ layer }}
    {%- endif -%}
{%- endmacro %}

{% macro landed(table, column='batch_id') -%}
    {#- A predicate: this invocation reads the batch `column` of raw table `table`. -#}
    {%- set newest = read_up_to(table) -%}
    {{ 'true' if newest is none else column ~ ' <= ' ~ newest }}
{%- endmacro %}

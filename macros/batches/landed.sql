{% macro landed(table, column='batch_id') -%}
    {#- A predicate: `column` is a batch of raw table `table` that this invocation reads. -#}
    {%- set newest = read_up_to(table) -%}
    {{ 'true' if newest is none else column ~ ' <= ' ~ newest }}
{%- endmacro %}

{#-
    What people decide about content is kept in one table beside the ledger, in raw, so that it
    survives whatever dbt makes anew. It is only ever appended to; the newest row of a subject and a
    version says what holds.
-#}
{% macro decisions_table() -%}
    {#- The name of the table, whether it is there or not. -#}
    {%- do return(api.Relation.create(
        schema=env_var('LACUSTRE_RAW_SCHEMA', 'raw'), identifier='decisions', type='table'
    )) -%}
{%- endmacro %}

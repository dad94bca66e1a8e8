{#-
    People's decisions about content are kept in one table in raw, beside the ledger, so that a full
    refresh of dbt's tables keeps them. Rows are only appended; the newest row of a subject and
    version is in force.
-#}
{% macro decisions_table() -%}
    {#- The relation of the table, whether it exists or not. -#}
    {%- do return(api.Relation.create(
        schema=env_var('LACUSTRE_RAW_SCHEMA', 'raw'), identifier='decisions', type='table'
    )) -%}
{%- endmacro %}

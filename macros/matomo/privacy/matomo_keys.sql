{% macro matomo_keys() -%}
    {#- The restricted table of salts and keys, which dbt's graph and documentation leave out. -#}
    {%- do return(api.Relation.create(
        schema=generate_schema_name('restricted', none), identifier='matomo_keys'
    )) -%}
{%- endmacro %}

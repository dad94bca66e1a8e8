{% macro matomo_keys() -%}
    {#- The restricted table of salts and keys. It is not part of dbt's graph and documentation. -#}
    {%- do return(api.Relation.create(
        schema=generate_schema_name('restricted', none), identifier='matomo_keys'
    )) -%}
{%- endmacro %}

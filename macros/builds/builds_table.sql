{% macro builds_table() -%}
    {%- do return(api.Relation.create(
        schema=generate_schema_name('staging', none), identifier='builds'
    )) -%}
{%- endmacro %}

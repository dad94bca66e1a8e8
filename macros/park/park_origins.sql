{% macro park_origins(name) -%}
    {#- Queried once per invocation: six models read the park, and each list of columns is a
        statement. -#}
    {%- set known = this_build().setdefault('park_origins', {}) if execute else {} -%}
    {%- if name not in known -%}
        {%- set of_files, of_database = source('raw', 'park_' ~ name), source('raw', 'parc_' ~ name) -%}
        {%- set origins = [] -%}
        {%- for relation, is_database in [(of_files, false), (of_database, true)]
            if var('park_source') in ['auto', 'database' if is_database else 'files'] -%}
            {%- set held = load_relation(relation) if execute else none -%}
            {%- set columns = adapter.get_columns_in_relation(held) if held is not none else [] -%}
            {%- do origins.append({
                'relation': relation, 'table': relation.identifier, 'is_database': is_database,
                'is_there': held is not none, 'columns': columns | map(attribute='name') | list,
            }) -%}
        {%- endfor -%}
        {%- do known.update({name: origins}) -%}
    {%- endif -%}
    {%- do return(known[name]) -%}
{%- endmacro %}

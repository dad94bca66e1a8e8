{% macro get_replace_where_sql(source, target, replace_key) %}
    {% set columns = adapter.get_columns_in_relation(target) | map(attribute='quoted') | join(', ') %}
    {% set literals = literals_of(replace_key, source) %}
    {% if literals %}
    insert into {{ target }}
    replace where {{ one_of(replace_key, literals) }}
    select {{ columns }} from {{ source }}
    {% else %}
    select 'nothing new' as outcome
    {% endif %}
{% endmacro %}

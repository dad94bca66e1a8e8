{% macro get_insert_into_sql(source, target) %}
    {#- An append that never adds a batch twice. The same statement reads the newest batch of the
        table. So if two builds read the same batches, the second appends only newer ones; if two
        commit at once, Delta refuses one. A table without `batch_id` gets dbt's plain append. -#}
    {% set columns = adapter.get_columns_in_relation(target) %}
    insert into table {{ target }}
    select {{ columns | map(attribute='quoted') | join(', ') }} from {{ source }}
    {% if 'batch_id' in columns | map(attribute='name') %}
    where batch_id > coalesce((select max(held.batch_id) from {{ target }} as held), 0)
    {% endif %}
{% endmacro %}

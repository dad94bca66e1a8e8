{% macro get_insert_into_sql(source, target) %}
    {#- An append that never brings a batch twice: what the table has by then is asked in the same
        statement, so of two builds that read the same batches the second appends only what is newer,
        and of two that commit at once Delta refuses one. Tables without `batch_id` are appended to
        as dbt does it. -#}
    {% set columns = adapter.get_columns_in_relation(target) %}
    insert into table {{ target }}
    select {{ columns | map(attribute='quoted') | join(', ') }} from {{ source }}
    {% if 'batch_id' in columns | map(attribute='name') %}
    where batch_id > coalesce((select max(held.batch_id) from {{ target }} as held), 0)
    {% endif %}
{% endmacro %}

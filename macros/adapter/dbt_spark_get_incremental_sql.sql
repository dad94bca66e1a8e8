{#-
    Three incremental strategies that dbt-spark lacks. Each is one Delta commit, or none if the
    model has no new rows:

    replace_where  `INSERT … REPLACE WHERE`: the model's rows replace all rows with the same
                   `replace_key`, a column such as the day. For "compute the touched days again".
    replace_keys   The model's rows replace all rows with the same `replace_key`; `unique_key`
                   identifies a row. A row whose `unique_key` is null is never stored: it records
                   only that its `replace_key` was read and has no rows. For children of a changed
                   parent. With `near`, a column that never changes for a `replace_key`, Delta
                   reads only the files of the new rows, as in merge_near.
    merge_near     A merge by `unique_key`, a list of columns. It reads only the part of the table
                   where the column `near` has a value of the new rows; `near` never changes for a
                   key. Delta skips all other files.

    dbt-spark validates the names of strategies itself, so two of its macros are overridden. All
    other strategies use dbt-spark's macros.
-#}
{% macro dbt_spark_get_incremental_sql(
    strategy, source, target, existing, unique_key, incremental_predicates
) %}
    {% if strategy == 'replace_where' %}
        {{ get_replace_where_sql(source, target, config.require('replace_key')) }}
    {% elif strategy == 'replace_keys' %}
        {{ get_replace_keys_sql(source, target, unique_key, config.require('replace_key')) }}
    {% elif strategy == 'merge_near' %}
        {{ get_merge_near_sql(source, target, unique_key, config.require('near')) }}
    {% elif strategy == 'append' %}
        {{ get_insert_into_sql(source, target) }}
    {% else %}
        {{ dbt.dbt_spark_get_incremental_sql(
            strategy, source, target, existing, unique_key, incremental_predicates
        ) }}
    {% endif %}
{% endmacro %}

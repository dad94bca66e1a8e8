{#-
    Three incremental strategies that dbt-spark lacks, each one Delta commit, or none where the model
    has no rows:

    replace_where  `INSERT … REPLACE WHERE`: the model's rows replace all rows with the same
                   `replace_key`, a column such as the day. For "compute the touched days again".
    replace_keys   the model's rows replace all rows with the same `replace_key`; rows are told
                   apart by `unique_key`. A row whose `unique_key` is null is never stored: it only
                   says that its `replace_key` was read and has no rows. For children of a changed
                   parent. With `near`, a column that never changes for a `replace_key`, it looks
                   only where the new rows are, as merge_near does.
    merge_near     a merge by `unique_key`, a list of columns, that looks only at the part of the
                   table where the column `near`, which never changes for a key, has the values of the
                   new rows, so that Delta skips all other files.

    dbt-spark validates strategy names itself, hence the two overrides; every other strategy falls
    through to its own macros.
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

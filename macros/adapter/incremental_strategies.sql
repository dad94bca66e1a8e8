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
{% macro dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format) %}
    {% if raw_strategy in ['replace_where', 'replace_keys', 'merge_near'] %}
        {% do return(raw_strategy) %}
    {% endif %}
    {% do return(dbt.dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format)) %}
{% endmacro %}


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


{% macro literals_of(column, relation) %}
    {#- The distinct values of `column` in `relation`, as SQL literals. Asked of the new rows when the
        strategy runs, since `config` sees them at parse time only. -#}
    {% set literals = [] %}
    {% for value in run_query(
        'select distinct cast(' ~ column ~ ' as string) from ' ~ relation
    ).columns[0].values() %}
        {% do literals.append("'" ~ value ~ "'") %}
    {% endfor %}
    {% do return(literals) %}
{% endmacro %}


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


{% macro near_rows(near, source, prefix='') %}
    {#- A predicate, by which Delta skips files: the column `near` has a value that it has in `source`, a
        relation. Of many values their range. None where there are none. prefix: of the column. -#}
    {% set literals = literals_of(near, source) %}
    {% if literals | length > 400 %}
        {% set ends = run_query(
            'select cast(min(' ~ near ~ ') as string), cast(max(' ~ near ~ ') as string) from ' ~ source
        ).rows[0] %}
        {% do return(prefix ~ near ~ " between '" ~ ends[0] ~ "' and '" ~ ends[1] ~ "'") %}
    {% endif %}
    {% do return(one_of(prefix ~ near, literals) if literals else none) %}
{% endmacro %}


{% macro get_merge_near_sql(source, target, unique_key, near) %}
    {% set here = near_rows(near, source, 'held.') %}
    {% if here %}
    merge into {{ target }} as held
    using {{ source }} as fresh
    on
        {{ here }}
        {% for column in unique_key %}
        and held.{{ column }} = fresh.{{ column }}
        {% endfor %}
    when matched then update set *
    when not matched then insert *
    {% else %}
    select 'nothing new' as outcome
    {% endif %}
{% endmacro %}


{% macro get_replace_keys_sql(source, target, unique_key, replace_key) %}
    {% set near = config.get('near', replace_key) %}
    {% set here = near_rows(near, source, 'old_rows.') %}
    {% if here %}
    merge into {{ target }} as current_rows
    using (
        select new_rows.*, false as is_removed from {{ source }} as new_rows
        union all
        select old_rows.*, true as is_removed
        from {{ target }} as old_rows
        left semi join {{ source }} as touched
            on old_rows.{{ replace_key }} = touched.{{ replace_key }}
        left anti join {{ source }} as kept
            on old_rows.{{ unique_key }} = kept.{{ unique_key }}
        where {{ here }}
    ) as changes
    on current_rows.{{ unique_key }} = changes.{{ unique_key }}
        and {{ here | replace('old_rows.', 'current_rows.') }}
    when matched and changes.is_removed then delete
    when matched then update set *
    when not matched and changes.{{ unique_key }} is not null then insert *
    {% else %}
    select 'nothing new' as outcome
    {% endif %}
{% endmacro %}

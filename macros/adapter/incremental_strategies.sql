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


{% macro values_of(column, relation) %}
    {#- The values of `column` in `relation`, for `has_value_of`: their literals, and of more than 400
        values the first and the last. -#}
    {% set literals = literals_of(column, relation) %}
    {% if literals | length <= 400 %}
        {% do return({'literals': literals}) %}
    {% endif %}
    {% set ends = run_query(
        'select cast(min(' ~ column ~ ') as string), cast(max(' ~ column ~ ') as string) from ' ~ relation
    ).rows[0] %}
    {% do return({'literals': literals, 'first': "'" ~ ends[0] ~ "'", 'last': "'" ~ ends[1] ~ "'"}) %}
{% endmacro %}


{% macro has_value_of(values, column) %}
    {#- A predicate by which Delta skips files: `column`, with its alias, has one of `values` (an answer of
        `values_of`), or lies in their range. True without an answer, false where there are no values. -#}
    {% if values is none %}
        {% do return('true') %}
    {% elif values.first is defined %}
        {% do return(column ~ ' between ' ~ values.first ~ ' and ' ~ values.last) %}
    {% endif %}
    {% do return(one_of(column, values.literals)) %}
{% endmacro %}


{% macro get_merge_near_sql(source, target, unique_key, near) %}
    {% set values = values_of(near, source) %}
    {% if values.literals %}
    merge into {{ target }} as held
    using {{ source }} as fresh
    on
        {{ has_value_of(values, 'held.' ~ near) }}
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
    {% set values = values_of(near, source) %}
    {% if values.literals %}
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
        where {{ has_value_of(values, 'old_rows.' ~ near) }}
    ) as changes
    on current_rows.{{ unique_key }} = changes.{{ unique_key }}
        and {{ has_value_of(values, 'current_rows.' ~ near) }}
    when matched and changes.is_removed then delete
    when matched then update set *
    when not matched and changes.{{ unique_key }} is not null then insert *
    {% else %}
    select 'nothing new' as outcome
    {% endif %}
{% endmacro %}

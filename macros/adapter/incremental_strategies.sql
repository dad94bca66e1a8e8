{#-
    Two incremental strategies that dbt-spark lacks, both one Delta commit:

    replace_where  `INSERT … REPLACE WHERE`: the model's rows replace all rows with the same
                   `replace_key`, a column such as the day. For "compute the touched days again".
    replace_keys   the model's rows replace all rows with the same `replace_key`; rows are told
                   apart by `unique_key`. A row whose `unique_key` is null is never stored: it only
                   says that its `replace_key` was read and has no rows. For children of a changed
                   parent.

    With `prune_by`, a number that never changes for a key, `merge` and `replace_keys` read only the files
    of the table that may hold the keys at hand.

    dbt-spark validates strategy names itself, hence the two overrides; every other strategy falls
    through to its own macros.
-#}
{% macro dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format) %}
    {% if raw_strategy in ['replace_where', 'replace_keys'] %}
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
    {% else %}
        {% if strategy == 'merge' and config.get('prune_by') %}
            {% set incremental_predicates = [prune('select * from ' ~ source, 'DBT_INTERNAL_DEST.')] %}
        {% endif %}
        {{ dbt.dbt_spark_get_incremental_sql(
            strategy, source, target, existing, unique_key, incremental_predicates
        ) }}
    {% endif %}
{% endmacro %}


{% macro get_replace_where_sql(source, target, replace_key) %}
    {#- The values are asked of the new rows here: `config` sees them at parse time only. -#}
    {% set columns = adapter.get_columns_in_relation(target) | map(attribute='quoted') | join(', ') %}
    {% set literals = [] %}
    {% for value in run_query(
        'select distinct cast(' ~ replace_key ~ ' as string) from ' ~ source
    ).columns[0].values() %}
        {% do literals.append("'" ~ value ~ "'") %}
    {% endfor %}
    insert into {{ target }}
    replace where {{ one_of(replace_key, literals) }}
    select {{ columns }} from {{ source }}
{% endmacro %}


{% macro get_replace_keys_sql(source, target, unique_key, replace_key) %}
    {% set touched = 'true' %}
    {% if config.get('prune_by') %}
        {% set touched = prune('select * from ' ~ source) %}
    {% endif %}
    merge into {{ target }} as current_rows
    using (
        select new_rows.*, false as is_removed from {{ source }} as new_rows
        union all
        select old_rows.*, true as is_removed
        from (select * from {{ target }} where {{ touched }}) as old_rows
        left semi join {{ source }} as touched
            on old_rows.{{ replace_key }} = touched.{{ replace_key }}
        left anti join {{ source }} as kept
            on old_rows.{{ unique_key }} = kept.{{ unique_key }}
    ) as changes
    on current_rows.{{ unique_key }} = changes.{{ unique_key }}
        and {{ touched | replace(config.get('prune_by', ''), 'current_rows.' ~ config.get('prune_by', ''))
            if config.get('prune_by') else 'true' }}
    when matched and changes.is_removed then delete
    when matched then update set *
    when not matched and changes.{{ unique_key }} is not null then insert *
{% endmacro %}

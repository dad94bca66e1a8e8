{% macro spark__snapshot_merge_sql(target, source, insert_cols) %}
    {#- dbt-spark's merge accepts no predicate, so a snapshot with `near` has its own. -#}
    {%- set near = model.config.meta.get('near') -%}
    {%- if not near -%}
        {{ dbt.spark__snapshot_merge_sql(target, source, insert_cols) }}
    {%- else -%}
        {%- if config.get('dbt_valid_to_current') -%}
            {%- do exceptions.raise_compiler_error(
                model.name ~ ': a snapshot with meta near cannot have dbt_valid_to_current;'
                ~ ' spark__snapshot_merge_sql does not support it.'
            ) -%}
        {%- endif -%}
        {%- set columns = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() -%}
        {%- set values = values_of(near, '(' ~ model['compiled_code'] ~ ')') -%}
    merge into {{ target }} as held
    using {{ source }} as fresh
    on fresh.{{ columns.dbt_scd_id }} = held.{{ columns.dbt_scd_id }}
        and {{ has_value_of(values, 'held.' ~ near) }}
    when matched and held.{{ columns.dbt_valid_to }} is null and fresh.dbt_change_type in ('update', 'delete')
        then update set {{ columns.dbt_valid_to }} = fresh.{{ columns.dbt_valid_to }}
    when not matched and fresh.dbt_change_type = 'insert'
        then insert *
    {%- endif -%}
{% endmacro %}

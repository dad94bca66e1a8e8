{#-
    dbt's snapshot reads and merges into its whole table, so its cost grows with the history. With
    `meta: {near: <column>}` it looks only where the keys at hand may be, as the strategy merge_near does:
    the column never changes for a key, and its values in the snapshot's input become literals.
-#}
{% macro spark__snapshot_staging_table(strategy, source_sql, target_relation) %}
    {%- set near = model.config.meta.get('near') -%}
    {%- set held = target_relation -%}
    {%- if near -%}
        {%- set values = values_of(near, '(' ~ source_sql ~ ')') -%}
        {%- set held = '(select * from ' ~ target_relation ~ ' where ' ~ has_value_of(values, near) ~ ')' -%}
    {%- endif -%}
    {{ dbt.default__snapshot_staging_table(strategy, source_sql, held) }}
{% endmacro %}


{% macro spark__snapshot_merge_sql(target, source, insert_cols) %}
    {#- dbt-spark's has no place for a predicate, so a snapshot with `near` has a merge of its own. -#}
    {%- set near = model.config.meta.get('near') -%}
    {%- if not near -%}
        {{ dbt.spark__snapshot_merge_sql(target, source, insert_cols) }}
    {%- else -%}
        {%- if config.get('dbt_valid_to_current') -%}
            {%- do exceptions.raise_compiler_error(
                model.name ~ ': a snapshot with meta near cannot have dbt_valid_to_current; teach'
                ~ ' spark__snapshot_merge_sql to write it.'
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


{% macro snapshot_sees_changes(target, source_sql) %}
    {#- Whether a snapshot of `source_sql`, its input, would change `target`, its table: where the input
        has only what is new (those with meta near), whether it has rows; of a plain strategy check,
        whether it is not what the open versions say: dbt's merge evaluates the input six times, also
        when nothing is different. What the input has no more counts where the snapshot closes
        that. A column that the table does not have yet counts, too. All others may always. -#}
    {%- set names = adapter.get_columns_in_relation(target) | map(attribute='name') | list -%}
    {%- if get_columns_in_query(source_sql) | reject('in', names) | list | length > 0 -%}
        {%- do return(true) -%}
    {%- endif -%}
    {%- if model.config.meta.get('near') -%}
        {%- set changes = run_query('select 1 from (' ~ source_sql ~ ') limit 1') -%}
        {%- do return(changes.rows | length > 0) -%}
    {%- endif -%}
    {%- set key, checked = config.require('unique_key'), config.get('check_cols') -%}
    {%- set deletes = adapter.get_hard_deletes_behavior(config) -%}
    {%- if config.get('strategy') != 'check' or checked is string or key is not string
        or deletes == 'new_record' -%}
        {%- do return(true) -%}
    {%- endif -%}
    {%- set columns = [key] + checked -%}
    {%- set join = 'full' if deletes == 'invalidate' else 'left' -%}
    {%- set same = [] -%}
    {%- for column in columns -%}
        {%- do same.append('fresh.' ~ column ~ ' <=> held.' ~ column) -%}
    {%- endfor -%}
    {%- set changes = run_query(
        'select 1 from (' ~ source_sql ~ ') as fresh ' ~ join ~ ' join ('
        ~ 'select ' ~ columns | join(', ') ~ ' from ' ~ target ~ ' where dbt_valid_to is null'
        ~ ') as held on ' ~ same | join(' and ')
        ~ ' where fresh.' ~ key ~ ' is null or held.' ~ key ~ ' is null limit 1'
    ) -%}
    {%- do return(changes.rows | length > 0) -%}
{% endmacro %}


{% macro spark__snapshot_get_time() -%}
    {#- When a snapshot with the strategy check saw its changes. With `meta: {clock: park}` that is
        when the park became so, and not what the clock of the server says now. -#}
    {%- if model.config.meta.get('clock') == 'park' -%}
        {{ park_clock() }}
    {%- else -%}
        {{ current_timestamp() }}
    {%- endif -%}
{%- endmacro %}

{% macro snapshot_sees_changes(target, source_sql) %}
    {#- Whether a snapshot of `source_sql`, its input, would change `target`, its table. dbt's merge
        evaluates the input six times, also if nothing changed. With `meta: {near: …}` the input has
        only new rows, so the question is whether it has any. With the plain strategy check the
        input is compared with the open versions; a key that the input lacks counts as a change if
        the snapshot closes such keys. A column that the table does not have yet is a change. For
        all other snapshots the answer is always true. -#}
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

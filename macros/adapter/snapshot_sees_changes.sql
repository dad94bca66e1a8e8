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

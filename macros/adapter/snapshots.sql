{#-
    dbt's snapshot reads and merges into its whole table, so its cost grows with the history. With
    `meta: {prune_by: <column>}` only the files are read that may hold the keys at hand: `column` is one
    that never changes for a key, and its values in the snapshot's input become literals.
    Both macros override dbt's by name and call them.
-#}
{% macro spark__snapshot_staging_table(strategy, source_sql, target_relation) %}
    {%- set held = target_relation -%}
    {%- if model.config.meta.get('prune_by') -%}
        {%- set held = '(select * from ' ~ target_relation ~ ' where ' ~ prune(source_sql) ~ ')' -%}
    {%- endif -%}
    {{ dbt.default__snapshot_staging_table(strategy, source_sql, held) }}
{% endmacro %}


{% macro spark__snapshot_merge_sql(target, source, insert_cols) %}
    {%- set merge = dbt.spark__snapshot_merge_sql(target, source, insert_cols) -%}
    {%- if model.config.meta.get('prune_by') -%}
        {%- set pruned = 'and ' ~ prune(model['compiled_code'], 'DBT_INTERNAL_DEST.') -%}
        {{ merge | replace('when matched', pruned ~ '\n    when matched', 1) }}
    {%- else -%}
        {{ merge }}
    {%- endif -%}
{% endmacro %}


{% macro prune(select, prefix='') -%}
    {#- A predicate: the column `prune_by` (config of a model, meta of a snapshot) has one of its values
        in `select`, a query or relation, as literals. prefix: of the column in the predicate. -#}
    {%- set column = config.get('prune_by') or model.config.meta.get('prune_by') -%}
    {%- set literals = [] -%}
    {%- for value in run_query(
        'select distinct ' ~ column ~ ' from (' ~ select ~ ') as input where '
        ~ column ~ ' is not null'
    ).columns[0].values() -%}
        {%- do literals.append(value | string) -%}
    {%- endfor -%}
    {{ one_of(prefix ~ column, literals) }}
{%- endmacro %}

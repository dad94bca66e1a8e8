{#-
    dbt's snapshot reads and merges into its whole table, so its cost grows with the history. With
    `meta: {near: <column>}` it looks only where the keys at hand may be, as the strategy merge_near does:
    the column never changes for a key, and its values in the snapshot's input become literals.
    Both macros override dbt's by name and call them.
-#}
{% macro spark__snapshot_staging_table(strategy, source_sql, target_relation) %}
    {%- set near = model.config.meta.get('near') -%}
    {%- set held = target_relation -%}
    {%- if near -%}
        {%- set here = near_rows(near, '(' ~ source_sql ~ ')') or 'false' -%}
        {%- set held = '(select * from ' ~ target_relation ~ ' where ' ~ here ~ ')' -%}
    {%- endif -%}
    {{ dbt.default__snapshot_staging_table(strategy, source_sql, held) }}
{% endmacro %}


{% macro spark__snapshot_merge_sql(target, source, insert_cols) %}
    {%- set near = model.config.meta.get('near') -%}
    {%- set merge = dbt.spark__snapshot_merge_sql(target, source, insert_cols) -%}
    {%- if near -%}
        {%- set here = near_rows(near, '(' ~ model['compiled_code'] ~ ')', 'DBT_INTERNAL_DEST.') -%}
        {{ merge | replace('when matched', 'and ' ~ here ~ '\n    when matched', 1)
            if here else "select 'nothing new' as outcome" }}
    {%- else -%}
        {{ merge }}
    {%- endif -%}
{% endmacro %}

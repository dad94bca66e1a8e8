{#-
    dbt's snapshot reads its whole table and merges into all of it, so its cost grows with the
    history. With `meta: {near: <column>}` it reads only the part that may hold the keys of the
    input, as the strategy merge_near does: the column never changes for a key, and its values in
    the input become literals.
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

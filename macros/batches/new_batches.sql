{% macro new_batches(column='batch_id', clock=none) -%}
    {#- A predicate: the rows that this incremental model has not read; all rows on its first build.
        -#}
    {{ newer_than(this, column, clock) if is_incremental() else 'true' }}
{%- endmacro %}

{% macro new_batches(column='batch_id', clock=none) -%}
    {#- A predicate: what this incremental model has not read yet; everything on its first build. -#}
    {{ newer_than(this, column, clock) if is_incremental() else 'true' }}
{%- endmacro %}

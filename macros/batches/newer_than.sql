{% macro newer_than(relation, column='batch_id', clock=none) -%}
    {#- A predicate: `column` is above the newest batch of `relation`. -#}
    {{ column }} > {{ newest_batch(relation, clock) if execute and relation is not none else 0 }}
{%- endmacro %}

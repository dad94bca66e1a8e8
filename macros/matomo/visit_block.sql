{% macro visit_block(visit_id) -%}
    {#- The block of a thousand visit ids that a visit is in. Matomo numbers visits as they come, so a
        batch touches few blocks: by them, as literals, Delta skips the files of all other visits,
        and since a visit never changes its block, nothing can be missed.
        visit_id: an SQL expression, bigint. -#}
    cast({{ visit_id }} div 1000 as bigint)
{%- endmacro %}

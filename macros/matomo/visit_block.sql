{% macro visit_block(visit_id) -%}
    {#- The block of a visit: 1,000 consecutive visit ids. Matomo numbers visits as they come, so a
        batch touches few blocks. With these as literals Delta skips the files of all other visits.
        The block of a visit never changes, so no row is missed. visit_id: an SQL expression,
        bigint. -#}
    cast({{ visit_id }} div 1000 as bigint)
{%- endmacro %}

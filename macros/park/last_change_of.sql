{% macro last_change_of(snapshot) -%}
    {#- A query for `at`, the newest time at which a version of `snapshot`, a relation, began or
        ended. -#}
    select max(greatest(dbt_valid_from, coalesce(dbt_valid_to, dbt_valid_from))) as at from {{ snapshot }}
{%- endmacro %}

{% macro matomo_is_bounce(action_count) -%}
    {#- A predicate on a visit: it is a bounce, by Matomo's definition a visit with at most one
        action. null if the count is null. action_count: an SQL expression. -#}
    {{ action_count }} in (0, 1)
{%- endmacro %}

{% macro matomo_is_bounce(action_count) -%}
    {#- A predicate on a visit: it bounced, which Matomo says of one with at most one action. Unknown where
        the count is. action_count: an SQL expression. -#}
    {{ action_count }} in (0, 1)
{%- endmacro %}

{% macro matomo_visit_metrics(suffix='', where='true') -%}
    {#- Metrics of visits by Matomo's definitions. suffix: of their names; where: a predicate. -#}
    {%- set of = ' filter (where ' ~ where ~ ')' if where != 'true' else '' -%}
    count(visit_key){{ of }} as nb_visits{{ suffix }},
    count(distinct visitor_key){{ of }} as nb_uniq_visitors{{ suffix }},
    count(distinct user_id){{ of }} as nb_users{{ suffix }},
    coalesce(sum(action_count){{ of }}, 0) as nb_actions{{ suffix }},
    coalesce(max(action_count){{ of }}, 0) as max_actions{{ suffix }},
    coalesce(sum(visit_duration_seconds){{ of }}, 0) as sum_visit_length{{ suffix }},
    count_if({{ matomo_is_bounce('action_count') }}){{ of }} as bounce_count{{ suffix }},
    count_if(is_converted){{ of }} as nb_visits_converted{{ suffix }}
{%- endmacro %}

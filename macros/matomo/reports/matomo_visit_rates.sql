{% macro matomo_visit_rates(suffix='') -%}
    {#- Metrics that Matomo computes from the metrics of visits. suffix: of their names. -#}
    {{ matomo_ratio('bounce_count' ~ suffix, 'nb_visits' ~ suffix, 2) }} as bounce_rate{{ suffix }},
    {{ matomo_ratio('nb_actions' ~ suffix, 'nb_visits' ~ suffix, 1) }}
        as nb_actions_per_visit{{ suffix }},
    cast({{ matomo_ratio('sum_visit_length' ~ suffix, 'nb_visits' ~ suffix, 0) }} as bigint)
        as avg_time_on_site{{ suffix }}
{%- endmacro %}

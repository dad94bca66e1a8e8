{% macro matomo_contents_by(label) -%}
    {#- A report about contents. As in Matomo, a visit (or visitor) counts once for each combination
        of piece, target and name that it was shown. Interactions with a label count only if the
        label was shown on the same day. label: a column of lake.matomo_actions. -#}
    {%- set shown = 'content_piece, content_target, content_name' -%}
    with contents as (
        select
            *,
            coalesce(
                {{ matomo_decoded(label) }}, 'Content {{ label.split("_")[1] | capitalize }} not defined'
            ) as label,
            content_interaction is null as is_impression
        from {{ ref('matomo_actions') }}
        where action_type = 'content'
        qualify bool_or(is_impression) over (partition by site_id, action_date, label)
    ),

    sums as (
        select
            site_id,
            periods.period,
            periods.period_start,
            label,
            count(distinct if(is_impression, struct(visit_key, {{ shown }}), null)) as nb_visits,
            count(distinct if(
                is_impression and visitor_key is not null, struct(visitor_key, {{ shown }}), null
            )) as nb_uniq_visitors,
            count_if(is_impression) as nb_impressions,
            count_if(not is_impression) as nb_interactions
        from contents
            {{ each_period('action_date') }}
        group by site_id, periods.period, periods.period_start, label
    )

    select
        *,
        {{ matomo_ratio('nb_interactions', 'nb_impressions', 4) }} as interaction_rate
    from sums
{%- endmacro %}

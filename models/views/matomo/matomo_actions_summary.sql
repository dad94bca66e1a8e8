-- Matomo's Actions.get. An action belongs to the site-local day when it happened; "unique" counts
-- each page, download or outlink once per visit.
with actions as (
    select
        *,
        if(action_type = 'page', coalesce({{ matomo_page('url') }}, ''), coalesce(url, '')) as page
    from {{ ref('matomo_actions') }}
    where action_type in ('page', 'download', 'outlink', 'search')
)

select
    actions.site_id,
    periods.period,
    periods.period_start,
    {%- for type, name in [
        ('page', 'pageviews'), ('download', 'downloads'), ('outlink', 'outlinks')
    ] %}
    count_if(actions.action_type = '{{ type }}') as nb_{{ name }},
    count(distinct if(actions.action_type = '{{ type }}', struct(visit_key, page), null))
        as nb_uniq_{{ name }},
    {%- endfor %}
    count_if(actions.action_type = 'search') as nb_searches,
    count(distinct if(actions.action_type = 'search', actions.search_keyword, null)) as nb_keywords
from actions
    {{ each_period('actions.action_date') }}
group by actions.site_id, periods.period, periods.period_start

-- Matomo's Actions.get, by site and period. An action belongs to the site-local day when it
-- happened; "unique" counts each page, download or outlink once per visit.
with actions as (
    select
        *,
        coalesce(cast(url_id as string), url, title, '') as page
    from {{ ref('matomo_actions') }}
    where action_type in ('page', 'download', 'outlink', 'search')
)

select
    actions.site_id,
    periods.period,
    periods.period_start,
    count_if(actions.action_type = 'page') as nb_pageviews,
    count(
        distinct if(actions.action_type = 'page', struct(actions.visit_key, actions.page), null)
    ) as nb_uniq_pageviews,
    count_if(actions.action_type = 'download') as nb_downloads,
    count(
        distinct if(actions.action_type = 'download', struct(actions.visit_key, actions.page), null)
    ) as nb_uniq_downloads,
    count_if(actions.action_type = 'outlink') as nb_outlinks,
    count(
        distinct if(actions.action_type = 'outlink', struct(actions.visit_key, actions.page), null)
    ) as nb_uniq_outlinks,
    count_if(actions.action_type = 'search') as nb_searches,
    count(distinct if(actions.action_type = 'search', actions.search_keyword, null)) as nb_keywords
from actions
    {{ each_period('actions.action_date') }}
group by actions.site_id, periods.period, periods.period_start

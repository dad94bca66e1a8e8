-- A goal that visits convert is in the site's catalogue, where there is one.
select
    conversions.site_id,
    conversions.goal_id,
    count(*) as conversions_found
from {{ ref('matomo_conversions') }} as conversions
left semi join {{ ref('matomo_goals') }} as catalogues
    on conversions.site_id = catalogues.site_id
left anti join {{ ref('matomo_goals') }} as goals
    on conversions.site_id = goals.site_id and conversions.goal_id = goals.goal_id
where conversions.conversion_type = 'goal'
group by conversions.site_id, conversions.goal_id

-- Matomo's Referrers.getReferrerType.
{{ matomo_visits_by(
    label="""
        case
            when coalesce(referrer_type, 'direct') = 'direct' then 'Direct Entry'
            when referrer_type = 'search' then 'Search Engines'
            when referrer_type = 'website' then 'Websites'
            when referrer_type = 'campaign' then 'Campaigns'
            when referrer_type = 'social' then 'Social Networks'
            when referrer_type like 'ai%' then 'AI Assistants'
            else initcap(replace(referrer_type, '_', ' '))
        end
    """,
    code="coalesce(referrer_type, 'direct')"
) }}

-- Matomo's Referrers.getReferrerType.
{{ matomo_visits_by(
    label="""
        case coalesce(referrer_type, 'direct')
            when 'direct' then 'Direct Entry'
            when 'search' then 'Search Engines'
            when 'website' then 'Websites'
            when 'campaign' then 'Campaigns'
            when 'social' then 'Social Networks'
            else initcap(replace(referrer_type, '_', ' '))
        end
    """,
    code="coalesce(referrer_type, 'direct')"
) }}

-- Matomo's Referrers.getWebsites.
{{ matomo_visits_by(
    label="coalesce(referrer_name, 'Unknown')",
    visits="referrer_type = 'website'"
) }}

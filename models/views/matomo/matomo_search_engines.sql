-- Matomo's Referrers.getSearchEngines.
{{ matomo_visits_by(
    label="coalesce(referrer_name, 'Unknown')",
    visits="referrer_type = 'search'"
) }}

-- Matomo's Referrers.getKeywords.
{{ matomo_visits_by(
    label="coalesce(referrer_keyword, 'Keyword not defined')",
    visits="referrer_type = 'search'"
) }}

-- Matomo's Referrers.getKeywords.
{{ matomo_visits_by(
    label="coalesce(" ~ matomo_decoded('referrer_keyword') ~ ", 'Keyword not defined')",
    visits="referrer_type = 'search'"
) }}

-- Matomo's Referrers.getCampaigns.
{{ matomo_visits_by(
    label="coalesce(" ~ matomo_decoded('referrer_name') ~ ", 'Unknown')",
    visits="referrer_type = 'campaign'"
) }}

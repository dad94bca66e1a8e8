-- Matomo's Referrers.getAIAssistants, of newer versions.
{{ matomo_visits_by(
    label="coalesce(referrer_name, 'Unknown')",
    visits="referrer_type like 'ai%'"
) }}

-- Matomo's Referrers.getAIAssistants, a report of newer Matomo versions.
{{ matomo_visits_by(
    label="coalesce(referrer_name, 'Unknown')",
    visits="referrer_type like 'ai%'"
) }}

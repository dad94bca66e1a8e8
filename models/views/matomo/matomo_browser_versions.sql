-- Matomo's DevicesDetection.getBrowserVersions.
{{ matomo_visits_by(
    label="coalesce(browser_name, 'Unknown') || coalesce(' ' || browser_version, '')",
    code="coalesce(browser_code, 'UNK') || ';' || coalesce(browser_version, '')"
) }}

-- Matomo's DevicesDetection.getBrowsers.
{{ matomo_visits_by(
    label="coalesce(browser_name, 'Unknown')",
    code="coalesce(browser_code, 'UNK')"
) }}

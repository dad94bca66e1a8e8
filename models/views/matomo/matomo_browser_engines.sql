-- Matomo's DevicesDetection.getBrowserEngines.
{{ matomo_visits_by(
    label="coalesce(browser_family_name, browser_family, 'Unknown')",
    code="coalesce(browser_family, 'unk')"
) }}

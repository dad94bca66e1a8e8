-- Matomo's UserCountry.getCountry.
{{ matomo_visits_by(
    label="coalesce(country_name, 'Unknown')",
    code="coalesce(country_code, 'xx')"
) }}

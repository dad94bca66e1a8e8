-- Matomo's UserCountry.getContinent.
{{ matomo_visits_by(
    label="coalesce(continent_name, 'Unknown')",
    code="coalesce(continent_code, 'unk')"
) }}

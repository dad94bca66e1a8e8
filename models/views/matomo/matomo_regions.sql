-- Matomo's UserCountry.getRegion. Codes of regions mean something with their country only.
{{ matomo_visits_by(
    label="if(region_code is null, 'Unknown', concat_ws(', ', region_name, country_name))",
    code="if(region_code is null, 'xx', region_code || '|' || coalesce(country_code, 'xx'))"
) }}

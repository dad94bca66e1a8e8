-- Matomo's UserCountry.getCity. Cities of one name are told apart by their region and country.
{{ matomo_visits_by(
    label="if(city is null, 'Unknown', concat_ws(', ', city, region_name, country_name))",
    code="if(city is null, 'xx', concat_ws('|', city, coalesce(region_code, 'xx'), country_code))"
) }}

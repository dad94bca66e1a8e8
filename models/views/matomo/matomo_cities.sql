-- Matomo's UserCountry.getCity. Cities with the same name are distinguished by region and country.
{{ matomo_visits_by(
    label="""
        case
            when city is null then 'Unknown'
            when coalesce(country_code, 'xx') = 'xx' then city
            else concat_ws(', ', city, region_name, country_name)
        end
    """,
    code="if(city is null, 'xx', concat_ws('|', city, coalesce(region_code, 'xx'), country_code))"
) }}

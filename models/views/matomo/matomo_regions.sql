-- Matomo's UserCountry.getRegion. The code of a region is unique only within its country.
{{ matomo_visits_by(
    label="""
        case
            when region_code is null then 'Unknown'
            when coalesce(country_code, 'xx') = 'xx' then region_name
            else concat_ws(', ', region_name, country_name)
        end
    """,
    code="if(region_code is null, 'xx', region_code || '|' || coalesce(country_code, 'xx'))"
) }}

-- Matomo's UserCountry.getRegion. Codes of regions mean something with their country only.
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

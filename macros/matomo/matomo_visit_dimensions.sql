{% macro matomo_visit_dimensions() -%}
    {#- Columns of a visit that its actions and conversions carry, too: reports group by them, and people
        filter by them as Matomo's segments do. -#}
    {%- do return([
        'visitor_key', 'user_id', 'visitor_type', 'device_type', 'device_brand', 'device_model',
        'operating_system_code', 'operating_system_name', 'operating_system_version',
        'browser_family', 'browser_family_name', 'browser_code', 'browser_name', 'browser_version',
        'resolution', 'language_code', 'language_name', 'continent_code', 'continent_name',
        'country_code', 'country_name', 'region_code', 'region_name', 'city', 'visitor_local_time',
        'last_action_at_local'
    ]) -%}
{%- endmacro %}

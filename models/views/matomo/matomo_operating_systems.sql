-- Matomo's DevicesDetection.getOsFamilies.
{{ matomo_visits_by(
    label=matomo_operating_system_family('operating_system_code', 'operating_system_name')
) }}

-- Matomo's DevicesDetection.getOsFamilies.
{{ matomo_visits_by(
    label="coalesce(operating_system_name, 'Unknown')"
) }}

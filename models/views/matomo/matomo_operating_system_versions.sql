-- Matomo's DevicesDetection.getOsVersions.
{{ matomo_visits_by(
    label="coalesce(operating_system_name, 'Unknown') || coalesce(' ' || nullif(operating_system_version, 'UNK'), '')",
    code="coalesce(operating_system_code, 'UNK') || ';' || coalesce(operating_system_version, '')"
) }}

-- Matomo's DevicesDetection.getBrand.
{{ matomo_visits_by(
    label="coalesce(device_brand, 'Unknown')"
) }}

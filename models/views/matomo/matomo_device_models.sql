-- Matomo's DevicesDetection.getModel.
{{ matomo_visits_by(
    label="coalesce(if(device_brand = 'Unknown', '', device_brand || ' - ') || device_model, device_model, 'Unknown')"
) }}

-- Matomo's DevicesDetection.getType. It always has a row for every type.
{{ matomo_visits_by(
    label="coalesce(device_type, 'Unknown')",
    labels=[
        "'Desktop'", "'Smartphone'", "'Tablet'", "'Feature phone'",
        "'Console'", "'Tv'", "'Car browser'", "'Smart display'",
        "'Camera'", "'Portable media player'", "'Phablet'", "'Smart speaker'",
        "'Wearable'", "'Peripheral'"
    ]
) }}

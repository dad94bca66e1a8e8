-- Matomo's Resolution.getResolution. As in Matomo without those that are too short to be one.
{{ matomo_visits_by(
    label="coalesce(resolution, 'Unknown')",
    visits="coalesce(length(resolution) > 5, true)"
) }}

-- Matomo's Resolution.getResolution.
{{ matomo_visits_by(
    label="coalesce(resolution, 'Unknown')"
) }}

-- Matomo's VisitTime.getVisitInformationPerServerTime: by the hour of the last action in the site's
-- time zone.
{{ matomo_visits_by(
    label="lpad(cast(hour(last_action_at_local) as string), 2, '0')",
    labels=matomo_hours()
) }}

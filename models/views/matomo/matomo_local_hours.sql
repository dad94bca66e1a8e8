-- Matomo's VisitTime.getVisitInformationPerLocalTime: by the hour of the visitor's own clock when
-- the visit began.
{{ matomo_visits_by(
    label="left(visitor_local_time, 2)",
    visits="visitor_local_time is not null",
    labels=matomo_hours()
) }}

-- Matomo's VisitTime.getVisitInformationPerLocalTime: visits by the hour of their first action on
-- the visitor's clock.
{{ matomo_visits_by(
    label="left(visitor_local_time, 2)",
    visits="visitor_local_time is not null",
    labels=matomo_hours()
) }}

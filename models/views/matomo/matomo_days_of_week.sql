-- Matomo's VisitTime.getByDayOfWeek: visits by their day, conversions by their own, both in the
-- site's time zone.
{{ matomo_visits_by(
    label="date_format(visit_date, 'EEEE')",
    conversion_label="date_format(conversion_date, 'EEEE')",
    labels=[
        "'Monday'", "'Tuesday'", "'Wednesday'", "'Thursday'", "'Friday'", "'Saturday'", "'Sunday'"
    ]
) }}

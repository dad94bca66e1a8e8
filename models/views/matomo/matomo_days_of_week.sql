-- Matomo's VisitTime.getByDayOfWeek: by the site's day of the visit, or of the conversion.
{{ matomo_visits_by(
    label="date_format(visit_date, 'EEEE')",
    conversion_label="date_format(conversion_date, 'EEEE')",
    labels=[
        "'Monday'", "'Tuesday'", "'Wednesday'", "'Thursday'", "'Friday'", "'Saturday'", "'Sunday'"
    ]
) }}

-- Matomo's VisitTime.getByDayOfWeek: by the site's day of the last action.
{{ matomo_visits_by(
    label="date_format(last_action_at_local, 'EEEE')",
    labels=[
        "'Monday'", "'Tuesday'", "'Wednesday'", "'Thursday'", "'Friday'", "'Saturday'", "'Sunday'"
    ]
) }}

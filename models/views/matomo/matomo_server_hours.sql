-- Matomo's VisitTime.getVisitInformationPerServerTime: visits by the hour of their first action,
-- conversions by their own, both in the site's time zone.
{{ matomo_visits_by(
    label="""
        date_format(
            timestamp_seconds(unix_seconds(first_action_at) + site_utc_offset_seconds), 'HH'
        )
    """,
    conversion_label="date_format(occurred_at_local, 'HH')",
    labels=matomo_hours()
) }}

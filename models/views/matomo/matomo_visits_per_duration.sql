-- Matomo's VisitorInterest.getNumberOfVisitsPerVisitDuration.
{{ matomo_visits_in_ranges(
    label="""
        case
            when visit_duration_seconds <= 10 then '0–10s'
            when visit_duration_seconds <= 30 then '11–30s'
            when visit_duration_seconds <= 60 then '31–60s'
            when visit_duration_seconds <= 120 then '1-2 min'
            when visit_duration_seconds <= 240 then '2-4 min'
            when visit_duration_seconds <= 420 then '4-7 min'
            when visit_duration_seconds <= 600 then '7-10 min'
            when visit_duration_seconds <= 900 then '10-15 min'
            when visit_duration_seconds <= 1800 then '15-30 min'
            else '30+ min'
        end
    """,
    labels=[
        "'0–10s'", "'11–30s'", "'31–60s'", "'1-2 min'", "'2-4 min'", "'4-7 min'", "'7-10 min'",
        "'10-15 min'", "'15-30 min'", "'30+ min'"
    ]
) }}

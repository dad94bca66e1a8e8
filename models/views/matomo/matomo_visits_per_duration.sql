-- Matomo's VisitorInterest.getNumberOfVisitsPerVisitDuration. As in Matomo, ranges of minutes share
-- their bounds: a visit of exactly two minutes is in two ranges.
{{ matomo_visits_in_ranges([
    ['0–10s', 'visit_duration_seconds between 0 and 10'],
    ['11–30s', 'visit_duration_seconds between 11 and 30'],
    ['31–60s', 'visit_duration_seconds between 31 and 60'],
    ['1-2 min', 'visit_duration_seconds between 60 and 120'],
    ['2-4 min', 'visit_duration_seconds between 120 and 240'],
    ['4-7 min', 'visit_duration_seconds between 240 and 420'],
    ['7-10 min', 'visit_duration_seconds between 420 and 600'],
    ['10-15 min', 'visit_duration_seconds between 600 and 900'],
    ['15-30 min', 'visit_duration_seconds between 900 and 1800'],
    ['30+ min', 'visit_duration_seconds > 1800']
]) }}

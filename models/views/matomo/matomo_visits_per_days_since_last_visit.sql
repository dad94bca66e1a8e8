-- Matomo's VisitorInterest.getNumberOfVisitsByDaysSinceLast.
{% set bounds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 31, 61, 121, 365] %}
{{ matomo_visits_in_ranges(
    label="if(visitor_type = 'new', 'New visits', "
        ~ matomo_range_label('days_since_last_visit', bounds, 'day') ~ ")",
    labels=matomo_range_names(bounds, 'day', ["'New visits'"])
) }}

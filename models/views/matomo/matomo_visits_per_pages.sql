-- Matomo's VisitorInterest.getNumberOfVisitsPerPage: by the number of actions. As in Matomo a visit
-- without one is in no row.
{% set bounds = [1, 2, 3, 4, 5, 6, 8, 11, 15, 21] %}
{{ matomo_visits_in_ranges(matomo_ranges('action_count', bounds, 'page')) }}

-- Matomo's VisitorInterest.getNumberOfVisitsPerPage: visits by their number of actions. As in
-- Matomo, a visit without actions is in no row.
{% set bounds = [1, 2, 3, 4, 5, 6, 8, 11, 15, 21] %}
{{ matomo_visits_in_ranges(matomo_ranges('action_count', bounds, 'page')) }}

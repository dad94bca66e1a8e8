-- Matomo's VisitorInterest.getNumberOfVisitsByVisitCount: visits by the number of visits that the
-- visitor has made.
{% set bounds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 26, 51, 101, 201] %}
{{ matomo_visits_in_ranges(matomo_ranges('visit_count', bounds, 'visit')) }}

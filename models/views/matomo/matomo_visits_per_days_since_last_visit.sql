-- Matomo's VisitorInterest.getNumberOfVisitsByDaysSinceLast. As in Matomo, visits of returning
-- customers are in no row.
{% set bounds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 31, 61, 121, 365] %}
{{ matomo_visits_in_ranges(matomo_ranges(
    "if(visitor_type = 'returning', days_since_last_visit, null)", bounds, 'day',
    before=[['New visits', "visitor_type = 'new'"]]
)) }}

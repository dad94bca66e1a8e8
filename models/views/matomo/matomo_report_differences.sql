-- Differences between Matomo's own reports, sent as messages, and the views: one row per site,
-- period, report, goal and metric. Matomo's reports of a day that is not over are hours behind.
{{ matomo_compared_reports([
    ('visitssummary.get', 'matomo_visits_summary', [
        'nb_visits', 'nb_uniq_visitors', 'nb_users', 'nb_actions', 'nb_visits_converted',
        'bounce_count', 'sum_visit_length', 'max_actions'
    ], false),
    ('actions.get', 'matomo_actions_summary', [
        'nb_pageviews', 'nb_uniq_pageviews', 'nb_downloads', 'nb_uniq_downloads', 'nb_outlinks',
        'nb_uniq_outlinks', 'nb_searches', 'nb_keywords'
    ], false),
    ('goals.get', 'matomo_goals_summary', [
        'nb_conversions', 'nb_visits_converted', 'revenue'
    ], false),
    ('goals.get', 'matomo_goals_by_goal', [
        'nb_conversions', 'nb_visits_converted', 'revenue'
    ], true)
]) }}

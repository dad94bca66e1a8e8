-- Matomo's Goals.get of each goal.
{{ matomo_goals_metrics("conversion_type = 'goal'", by_goal=true) }}

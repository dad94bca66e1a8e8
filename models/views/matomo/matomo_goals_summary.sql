-- Matomo's Goals.get: goals and orders together.
{{ matomo_goals_metrics("conversion_type != 'abandoned_cart'") }}

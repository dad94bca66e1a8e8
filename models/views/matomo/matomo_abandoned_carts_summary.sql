-- Matomo's Goals.get of abandoned carts.
{{ matomo_goals_metrics("conversion_type = 'abandoned_cart'", ecommerce='cart') }}

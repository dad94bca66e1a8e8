-- Matomo's Goals.get of e-commerce orders.
{{ matomo_goals_metrics("conversion_type = 'order'", ecommerce='order') }}

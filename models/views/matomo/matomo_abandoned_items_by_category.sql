-- Matomo's Goals.getItemsCategory of abandoned carts.
{{ matomo_items_by('categories', 'abandoned_cart', 'Product Category not defined', many=true) }}

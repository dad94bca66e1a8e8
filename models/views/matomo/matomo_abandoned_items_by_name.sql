-- Matomo's Goals.getItemsName of abandoned carts.
{{ matomo_items_by('name', 'abandoned_cart', 'Product Name not defined') }}

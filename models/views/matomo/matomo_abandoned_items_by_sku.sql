-- Matomo's Goals.getItemsSku of abandoned carts.
{{ matomo_items_by('sku', 'abandoned_cart', 'Product SKU not defined') }}

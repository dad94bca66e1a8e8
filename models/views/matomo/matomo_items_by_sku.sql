-- Matomo's Goals.getItemsSku.
{{ matomo_items_by('sku', 'order', 'Product SKU not defined') }}

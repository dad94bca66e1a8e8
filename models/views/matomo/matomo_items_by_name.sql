-- Matomo's Goals.getItemsName.
{{ matomo_items_by('name', 'order', 'Product Name not defined') }}

-- Matomo's Goals.getItemsCategory.
{{ matomo_items_by('categories', 'order', 'Product Category not defined', many=true) }}

{{ config(materialized='view') }}

-- One row per line of an order or abandoned cart of each version of a visit.
select
    actions.action_key,
    actions.visit_key,
    actions.batch_id,
    actions.topic,
    actions.partition,
    actions.offset,
    actions.document_index,
    actions.site_id,
    actions.visit_id,
    actions.action_type as purchase_type,
    actions.order_id,
    line_index,
    item.sku,
    item.name,
    item.categories,
    item.price,
    item.quantity
from {{ ref('stg_matomo__actions') }} as actions
    lateral view posexplode(actions.items) exploded as line_index, item

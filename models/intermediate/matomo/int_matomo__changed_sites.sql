{{ config(materialized='view') }}

-- The newest known state of each site. A site or field that a message lacks still exists: a list of
-- site numbers alone removes no time zone.
with sites as (
    select
        * except (row_hash, name, main_url, time_zone, currency, has_ecommerce),
        first_value(name) ignore nulls over until_then as name,
        first_value(main_url) ignore nulls over until_then as main_url,
        first_value(time_zone) ignore nulls over until_then as time_zone,
        first_value(currency) ignore nulls over until_then as currency,
        coalesce(first_value(has_ecommerce) ignore nulls over until_then, false) as has_ecommerce,
        row_number() over newest_first as age
    from {{ ref('stg_matomo__sites') }}
    window
        newest_first as (
            partition by site_id
            order by
                exported_at desc, row_hash asc, batch_id asc, topic asc, partition asc, offset asc
        ),
        until_then as (
            partition by site_id
            order by
                exported_at desc, row_hash asc, batch_id asc, topic asc, partition asc, offset asc
            rows between current row and unbounded following
        )
)

select
    {{ row_hash(['name', 'main_url', 'time_zone', 'currency', 'has_ecommerce']) }} as row_hash,
    * except (age),
    exported_at as changed_at
from sites
where age = 1

{{ config(materialized='view') }}

{{ matomo_listed_now('custom_dimensions') }}

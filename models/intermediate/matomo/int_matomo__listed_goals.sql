{{ config(materialized='view') }}

{{ matomo_listed_now('goals') }}

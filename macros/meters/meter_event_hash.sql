{% macro meter_event_hash() -%}
    {#- A number that is the same for arrivals with the same content, and rarely for others. -#}
    xxhash64(
        event_id, occurred_at_local, arrived_at_local, event_type, equipment_type, equipment_id, info
    )
{%- endmacro %}

{% macro is_future_event() -%}
    {#- A predicate on an event: its clock was ahead, by more than the variable allows after its
        arrival by its own account, or by more than a day (no place is further from UTC) after
        Kafka had it. In seconds as the clocks show them: arithmetic with times makes calendar
        objects of each, for every event. -#}
    (
        unix_timestamp(occurred_at_local) - unix_timestamp(arrived_at_local)
            > {{ 60 * var('meter_future_after_minutes') }}
        or unix_timestamp(occurred_at_local) - unix_timestamp(received_at) > 86400
    )
{%- endmacro %}

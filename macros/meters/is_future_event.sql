{% macro is_future_event() -%}
    {#- A predicate on an event: its clock was ahead. Either it occurred after its own arrival by
        more than the variable allows, or more than a day (no place is further from UTC) after its
        Kafka timestamp. Computed in seconds, because Spark makes calendar objects of every time
        that it adds to an interval. -#}
    (
        unix_timestamp(occurred_at_local) - unix_timestamp(arrived_at_local)
            > {{ 60 * var('meter_future_after_minutes') }}
        or unix_timestamp(occurred_at_local) - unix_timestamp(received_at) > 86400
    )
{%- endmacro %}

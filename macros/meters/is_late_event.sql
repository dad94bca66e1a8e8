{% macro is_late_event() -%}
    {#- A predicate on a row of `meter_event_delays`: its events arrived more than the variable
        `meter_late_after_hours` after they occurred. Events from the future are never late. -#}
    (not is_future and delay_minutes > {{ 60 * var('meter_late_after_hours') }})
{%- endmacro %}

{% macro meter_event_content(relation=none) -%}
    {#- What an event is: all that its line says. Two arrivals with the same content are one event.
        relation: alias of the rows, where one is needed. Null-safe: nulls are told from texts. -#}
    {%- set prefix = relation ~ '.' if relation else '' -%}
    to_json(struct(
        {%- for column in [
            'event_id', 'occurred_at_local', 'arrived_at_local', 'event_type', 'equipment_type',
            'equipment_id', 'info'
        ] -%}
            {{ prefix }}{{ column }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    ))
{%- endmacro %}

{% macro meter_event_content(relation=none) -%}
    {#- The content of an event: all columns of its line. Two arrivals with the same content are one
        event. relation: alias of the rows, if the statement needs one. null and '' give different
        texts. -#}
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

{% macro spark__snapshot_get_time() -%}
    {#- The time of the changes that a snapshot with the strategy check finds. With `meta: {clock:
        park}` it is the time of the change in the park, otherwise the server's current time. -#}
    {%- if model.config.meta.get('clock') == 'park' -%}
        {{ park_clock() }}
    {%- else -%}
        {{ current_timestamp() }}
    {%- endif -%}
{%- endmacro %}

{% macro spark__snapshot_get_time() -%}
    {#- When a snapshot with the strategy check saw its changes. With `meta: {clock: park}` that is
        when the park became so, and not what the clock of the server says now. -#}
    {%- if model.config.meta.get('clock') == 'park' -%}
        {{ park_clock() }}
    {%- else -%}
        {{ current_timestamp() }}
    {%- endif -%}
{%- endmacro %}

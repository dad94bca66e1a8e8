{% macro matomo_catalogue_order() -%}
    {#- The columns that order the messages of a catalogue. -#}
    {%- do return(['exported_at', 'offset', 'partition', 'topic']) -%}
{%- endmacro %}

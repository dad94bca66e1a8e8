{% macro matomo_catalogue_order() -%}
    {#- The columns by which the messages of a catalogue follow each other. -#}
    {%- do return(['exported_at', 'offset', 'partition', 'topic']) -%}
{%- endmacro %}

{% macro park_snapshots() -%}
    {#- The names of the snapshots of the park's tables. -#}
    {%- do return([
        'snap_park__equipment', 'snap_park__places', 'snap_park__installations', 'snap_park__communes'
    ]) -%}
{%- endmacro %}

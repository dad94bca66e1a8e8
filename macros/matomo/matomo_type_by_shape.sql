{% macro matomo_type_by_shape(fields) -%}
    {#- The type of a Matomo document that its fields show; null if they do not show it. fields: an
        SQL expression, map<string, string>. -#}
    case
        when map_contains_key({{ fields }}, 'idVisit') then 'visit'
        when map_contains_key({{ fields }}, 'idcustomdimension') then 'custom_dimensions'
        when map_contains_key({{ fields }}, 'idgoal') then 'goals'
        when map_contains_key({{ fields }}, 'idsite') and map_contains_key({{ fields }}, 'timezone')
            then 'sites'
    end
{%- endmacro %}

{% macro matomo_message_type(declared, fields) -%}
    {#- The type of a Matomo document: what a header or key declares, by our names or by Matomo's
        API method, else what its shape says. Null when neither tells.
        declared: an SQL expression, text; fields: one, map<string, string>. -#}
    case
        when lower({{ declared }}) in ('visit', 'visits', 'live.getlastvisitsdetails') then 'visit'
        when lower({{ declared }}) in ('goal', 'goals', 'goals.getgoals') then 'goals'
        when lower({{ declared }}) in (
            'custom_dimension', 'custom_dimensions', 'customdimensions.getconfiguredcustomdimensions'
        ) then 'custom_dimensions'
        when map_contains_key({{ fields }}, 'idVisit') then 'visit'
        when map_contains_key({{ fields }}, 'idcustomdimension') then 'custom_dimensions'
        when map_contains_key({{ fields }}, 'idgoal') then 'goals'
    end
{%- endmacro %}

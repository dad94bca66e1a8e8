{% macro matomo_visit_dimensions() -%}
    {#- Columns of a visit that its conversions also have, because reports group by them and people
        filter by them, as by Matomo's segments. -#}
    {%- do return(
        ['visitor_key'] + matomo_visit_columns('dimension') + matomo_visit_columns('clock')
        + ['last_action_at_local']
    ) -%}
{%- endmacro %}

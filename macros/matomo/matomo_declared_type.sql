{% macro matomo_declared_type(declared) -%}
    {#- The type of a Matomo message that a header or key declares, by this project's name of the
        type or by the method of Matomo's API; null if it declares no known type. declared: an SQL
        expression, text. -#}
    case
        when lower({{ declared }}) in ('visit', 'visits') or lower({{ declared }}) like 'live.%'
            then 'visit'
        when lower({{ declared }}) in ('goal', 'goals', 'goals.getgoals') then 'goals'
        when lower({{ declared }}) in ('custom_dimension', 'custom_dimensions')
            or lower({{ declared }}) like 'customdimensions.%'
            then 'custom_dimensions'
        when lower({{ declared }}) in ('site', 'sites') or lower({{ declared }}) like 'sitesmanager.%'
            then 'sites'
        when lower({{ declared }}) in ('visitssummary.get', 'actions.get', 'goals.get') then 'report'
    end
{%- endmacro %}

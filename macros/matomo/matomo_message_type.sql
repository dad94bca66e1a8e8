{% macro matomo_declared_type(declared) -%}
    {#- The type of a Matomo message that a header or key declares, by our names or by the method of
        Matomo's API; null when it is none. declared: an SQL expression, text. -#}
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


{% macro matomo_type_by_shape(fields) -%}
    {#- The type of a Matomo document that its fields tell; null when they do not.
        fields: an SQL expression, map<string, string>. -#}
    case
        when map_contains_key({{ fields }}, 'idVisit') then 'visit'
        when map_contains_key({{ fields }}, 'idcustomdimension') then 'custom_dimensions'
        when map_contains_key({{ fields }}, 'idgoal') then 'goals'
        when map_contains_key({{ fields }}, 'idsite') and map_contains_key({{ fields }}, 'timezone')
            then 'sites'
    end
{%- endmacro %}


{% macro matomo_is_wanted(message_type, site_id) -%}
    {#- A predicate: the variables `matomo_message_types` and `matomo_sites` (empty: all) let a
        document in. message_type, site_id: SQL expressions. -#}
    {%- set types = var('matomo_message_types', []) -%}
    {%- set sites = var('matomo_sites', []) -%}
    (
        {{ message_type ~ " in ('" ~ types | join("', '") ~ "')" if types else 'true' }}
        and {{ site_id ~ ' in (' ~ sites | map('int') | join(', ') ~ ')' if sites else 'true' }}
    )
{%- endmacro %}

{% macro matomo_is_wanted(message_type, site_id) -%}
    {#- A predicate: the variables `matomo_message_types` and `matomo_sites` select the document; an
        empty variable selects all. message_type, site_id: SQL expressions. -#}
    {%- set types = var('matomo_message_types', []) -%}
    {%- set sites = var('matomo_sites', []) -%}
    (
        {{ message_type ~ " in ('" ~ types | join("', '") ~ "')" if types else 'true' }}
        and {{ site_id ~ ' in (' ~ sites | map('int') | join(', ') ~ ')' if sites else 'true' }}
    )
{%- endmacro %}

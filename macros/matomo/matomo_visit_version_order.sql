{% macro matomo_visit_version_order() -%}
    {#- The columns that order the versions of a visit, by what they say and never by how they were batched:
        the last action, the export, and where both are the same the content. -#}
    {%- do return([
        'last_action_at', 'exported_at', 'action_count', 'visit_duration_seconds', 'row_hash'
    ]) -%}
{%- endmacro %}

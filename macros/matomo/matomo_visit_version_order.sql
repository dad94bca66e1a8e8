{% macro matomo_visit_version_order() -%}
    {#- The columns that order the versions of a visit by their content, never by batches: the last
        action, then the export, then further content. -#}
    {%- do return([
        'last_action_at', 'exported_at', 'action_count', 'visit_duration_seconds', 'row_hash'
    ]) -%}
{%- endmacro %}

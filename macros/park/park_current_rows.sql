{% macro park_current_rows(name, origin) -%}
    {%- set current = "(select max(batch_id) from " ~ ref('stg_park__versions')
        ~ " where is_current and raw_table = '" ~ origin.table ~ "' and mode " -%}
    {%- set full = park_version_rows(name, origin, current ~ "= 'full')", true) -%}
    {%- if origin.is_database and origin.is_there -%}
        {%- set read = ['batch_id'] + park_tables()[name].columns -%}
        {%- set names = read | select('in', origin.columns) | join(', ') -%}
        select {{ names }} from ({{ full }}) as whole
        union all
        select {{ names }} from (
            {{ park_version_rows(name, origin, current ~ "!= 'full')", false) }}
        ) as newest
    {%- else -%}
        {{ full }}
    {%- endif -%}
{%- endmacro %}

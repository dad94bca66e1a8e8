{% macro park_version_rows(name, origin, batch, is_full) -%}
    {%- set table = park_tables()[name] -%}
    {%- set identity = table.identity or table.key -%}
    {%- if not origin.is_there -%}
        select cast(null as bigint) as batch_id where false
    {%- elif is_full -%}
        select * from {{ origin.relation }} where batch_id = {{ batch }}
    {%- elif identity | reject('in', origin.columns) | list or 'is_deleted' not in origin.columns -%}
        select * from {{ origin.relation }} where batch_id <= {{ batch }}
    {%- else -%}
        select * from {{ origin.relation }} where batch_id <= {{ batch }}
        qualify batch_id = max(batch_id) over (partition by {{ identity | join(', ') }})
            and not coalesce(is_deleted, false)
    {%- endif -%}
{%- endmacro %}

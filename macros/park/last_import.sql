{% macro last_import(name) -%}
    {#- The usable rows of the current version of park table `name`, all columns as text. The other
        rows are in quarantine.park_lines. -#}
    (
        select * except (batch_id, line, reason)
        from {{ park_rows(name) }} as all_rows
        where reason is null
    )
{%- endmacro %}

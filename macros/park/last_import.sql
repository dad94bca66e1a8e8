{% macro last_import(name) -%}
    {#- The usable rows of the newest version of park table `name`, all text; the others are in
        quarantine.park_lines. -#}
    (
        select * except (batch_id, line, reason)
        from {{ park_rows(name) }} as all_rows
        where reason is null
    )
{%- endmacro %}

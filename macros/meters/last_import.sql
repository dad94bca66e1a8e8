{% macro last_import(name, columns) -%}
    {#- The rows of the newest import of raw table `name`, with `columns`, all text. Lines that did
        not fit the header are left out here; they are in the quarantine. -#}
    {%- set rows = raw_table(name, columns) -%}
    (
        select {{ columns | join(', ') }}
        from {{ rows }}
        where corrupt_record is null and batch_id = (select max(batch_id) from {{ rows }})
    )
{%- endmacro %}

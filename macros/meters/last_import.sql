{% macro last_import(name, columns) -%}
    {#- The newest version of a table of the park, `park_<table>`, with `columns`, all text: from the
        database once it was imported from there, else from the files. The variable park_source
        (auto, database, files) says otherwise. Only batches that the ledger has closed are read, so
        an import that goes on or failed leaves the version before it. Lines of files that did not
        fit the header are left out here; they are in the quarantine. -#}
    {%- set of_database = source('raw', name | replace('park_', 'parc_')) -%}
    {%- set of_files = raw_table(name, columns) -%}
    {%- set held = [] -%}
    {%- if execute and var('park_source', 'auto') != 'files' -%}
        {%- set relation = load_relation(of_database) -%}
        {%- if relation is not none -%}
            {%- set held = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
        {%- endif -%}
    {%- endif -%}
    {%- if execute and columns | reject('in', held) | list | length == 0 -%}
    (
        select
            {%- for column in columns %}
            {% if column.startswith('date_') -%}
                date_format({{ column }}, 'yyyyMMdd')
            {%- else -%}
                cast({{ column }} as string)
            {%- endif %} as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ of_database }}
        where batch_id = {{ last_batch(of_database) }}
    )
    {%- else -%}
    (
        select {{ columns | join(', ') }}
        from {{ of_files }}
        where corrupt_record is null and batch_id = {{ last_batch(source('raw', name)) }}
    )
    {%- endif -%}
{%- endmacro %}


{% macro last_batch(table) -%}
    {#- A scalar subquery: the newest batch of the import `table` (a source) that is complete. An
        import of an empty table is one, too, and has no rows. -#}
    {%- set ledger = source('raw', 'loader_batches') -%}
    {%- if execute and load_relation(ledger) is not none -%}
    (
        select max(batch_id) from {{ ledger }}
        where table_name = '{{ table.schema }}.{{ table.identifier }}'
            and state = 'committed' and kind = 'load'
            and not exists(files, file -> file.checksum = '')
            and not exists(gaps, gap -> gap.partition is null)
    )
    {%- else -%}
    (select cast(null as bigint))
    {%- endif -%}
{%- endmacro %}

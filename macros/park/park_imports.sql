{% macro park_imports() -%}
    {%- set ledger = source('raw', 'loader_batches') -%}
    {%- set imports = {} -%}
    {%- if execute and load_relation(ledger) is not none -%}
        {%- set names = [] -%}
        {%- for name in park_tables() -%}
            {%- for origin in ['park_', 'parc_'] -%}
                {%- do names.append("'" ~ ledger.schema ~ '.' ~ origin ~ name ~ "'") -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- for row in run_query(
            "select split_part(table_name, '.', -1), batch_id, max(coalesce(imported.mode, 'full')),"
            ~ " cast(max(committed_at) as string), sum(records) from " ~ ledger
            ~ " where table_name in (" ~ names | join(', ') ~ ") and state = 'committed'"
            ~ " and kind = 'load' and not exists(files, file -> file.checksum = '')"
            ~ " and not exists(gaps, gap -> gap.partition is null) group by 1, 2 order by 1, 2"
        ).rows if row[1] <= (read_up_to(source('raw', row[0])) or 0) -%}
            {%- do imports.setdefault(row[0], []).append({
                'version': row[0] ~ '/' ~ row[1] | int, 'raw_table': row[0], 'batch_id': row[1] | int,
                'mode': row[2], 'committed_at': row[3],
            }) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return(imports) -%}
{%- endmacro %}

{% macro read_up_to(table) -%}
    {#- The last batch of raw table `table` (a source) that this invocation reads: the newest
        committed batch when the invocation first queries the ledger. Batches that land later wait
        for the next build. If the ledger does not know the table, it is the table's own newest
        batch; none if the table does not exist or dbt only parses. -#}
    {%- if not execute or not table.schema -%}
        {%- do return(none) -%}
    {%- endif -%}
    {%- set batches = this_build()['batches'] -%}
    {%- if 'asked' not in batches -%}
        {%- set ledger = load_relation(api.Relation.create(
            schema=env_var('LACUSTRE_RAW_SCHEMA', 'raw'), identifier='loader_batches'
        )) -%}
        {%- if ledger is not none -%}
            {%- for row in run_query(
                "select table_name, coalesce("
                ~ "min(case when state <> 'committed' then batch_id end) - 1, max(batch_id))"
                ~ " from " ~ ledger ~ " group by table_name"
            ).rows -%}
                {%- do batches.update({row[0]: row[1]}) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- do batches.update({'asked': true}) -%}
    {%- endif -%}
    {%- set name = table.schema ~ '.' ~ table.identifier -%}
    {%- if name not in batches -%}
        {%- set newest = none -%}
        {%- if load_relation(table) is not none -%}
            {%- set newest = run_query('select max(batch_id) from ' ~ table).columns[0][0] or 0 -%}
        {%- endif -%}
        {%- do batches.update({name: newest}) -%}
    {%- endif -%}
    {%- do return(batches[name]) -%}
{%- endmacro %}

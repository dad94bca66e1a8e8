{% macro touched(relation, column) -%}
    {#- The values of `column` in the rows of `relation` that this incremental model has not read,
        as a list of SQL literals; empty if there are no new rows. They are literals, because Delta
        skips files by literals and `REPLACE WHERE` accepts nothing else. -#}
    {%- set values = [] -%}
    {%- if execute and is_incremental() -%}
        {%- set rows = run_query(
            'select distinct cast(' ~ column ~ ' as string) from ' ~ relation
            ~ ' where ' ~ column ~ ' is not null and ' ~ new_batches() ~ ' order by 1'
        ).columns[0].values() -%}
        {%- for value in rows -%}
            {%- do values.append("'" ~ value ~ "'") -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return(values) -%}
{%- endmacro %}

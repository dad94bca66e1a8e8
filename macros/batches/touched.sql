{% macro touched(relation, column) -%}
    {#- The values of `column` in what this incremental model has not read yet of `relation`, as a
        list of SQL literals; empty when there is nothing new. Literals, since Delta skips files by
        them and `REPLACE WHERE` takes nothing else. -#}
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

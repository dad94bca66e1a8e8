{% macro ensure_decisions() -%}
    {#- Creates the table if it is missing, but never the raw schema, because its name may be
        misspelt. Runs before each command that writes. -#}
    {%- if execute and flags.WHICH in ['build', 'run', 'seed', 'snapshot', 'run-operation'] -%}
        {%- set table = decisions_table() -%}
        {%- if load_relation(table) is none and adapter.check_schema_exists(none, table.schema) -%}
            {%- set columns = [] -%}
            {%- for name, kind, comment in decision_columns() -%}
                {%- do columns.append(name ~ ' ' ~ kind ~ ' comment ' ~ text_literal(comment)) -%}
            {%- endfor -%}
            {%- do until_done(
                'create table if not exists ' ~ table ~ ' (' ~ columns | join(', ') ~ ') using delta'
                ~ ' comment ' ~ text_literal('What people decided about content; only appended to')
            ) -%}
            {%- do adapter.cache_added(table) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

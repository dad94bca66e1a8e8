{% macro decisions() -%}
    {#- The decisions, as a relation for a `from`; without rows if the table does not exist. -#}
    {%- if execute and load_relation(decisions_table()) is not none -%}
        {{- decisions_table() -}}
    {%- else -%}
        (
            select
                {%- for name, kind, comment in decision_columns() %}
                cast(null as {{ kind }}) as {{ name }}{{ ',' if not loop.last }}
                {%- endfor %}
            where false
        )
    {%- endif -%}
{%- endmacro %}

{% macro until_done(statement, answer="select 'done'") -%}
    {#- Jinja cannot catch an error, but a SQL script of Spark can. The last turn has no handler: an
        error that occurs every time is not a conflict, and dbt reports it. -#}
    {%- set found = namespace(outcome=none) -%}
    {%- for turn in range(30) -%}
        {%- if found.outcome is none -%}
            {%- set handler = 'declare exit handler for sqlexception begin '
                ~ 'select cast(null as string) as outcome; end; ' if turn < 29 else '' -%}
            {%- set found.outcome = run_query(
                'begin ' ~ handler ~ statement ~ '; ' ~ answer ~ ' as outcome; end'
            ).columns[0][0] -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(found.outcome) -%}
{%- endmacro %}

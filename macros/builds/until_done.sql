{% macro until_done(statement, answer="select 'done'") -%}
    {#- Templates cannot catch an error, Spark's scripts can. The last turn has no handler: what fails
        each time is no conflict, and its error is seen. -#}
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

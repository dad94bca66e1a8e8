{% macro record_decision(decision, subject, version, reason) -%}
    {#- Appends one decision of the user who runs the command. decision: accept, reject or
        acknowledge. -#}
    {%- if not (reason or '') | string | trim -%}
        {%- do exceptions.raise_compiler_error('A reason is missing: add `reason: …` to --args.') -%}
    {%- endif -%}
    {%- do ensure_decisions() -%}
    {%- set table = decisions_table() -%}
    {%- if load_relation(table) is none -%}
        {%- do exceptions.raise_compiler_error(
            'The raw schema ' ~ table.schema ~ ' does not exist, so the decision was not recorded;'
            ~ ' check LACUSTRE_RAW_SCHEMA.'
        ) -%}
    {%- endif -%}
    {%- set by = env_var('USER', env_var('LOGNAME', target.user or 'unknown')) -%}
    {%- set values = [] -%}
    {%- for value in [by, decision, subject, version, reason] -%}
        {%- do values.append(text_literal(value)) -%}
    {%- endfor -%}
    {%- do run_query(
        'insert into ' ~ table ~ ' select current_timestamp(), ' ~ values | join(', ')
    ) -%}
{%- endmacro %}

{#-
    What people decide about content is kept in one table beside the ledger, in raw, so that it
    survives whatever dbt makes anew. It is only ever appended to; the newest row of a subject and a
    version says what holds.
-#}
{% macro decisions_table() -%}
    {#- The name of the table, whether it is there or not. -#}
    {%- do return(api.Relation.create(
        schema=env_var('LACUSTRE_RAW_SCHEMA', 'raw'), identifier='decisions', type='table'
    )) -%}
{%- endmacro %}


{% macro decision_columns() -%}
    {#- The columns of the table: name, type and what it holds. -#}
    {%- do return([
        ['decided_at', 'timestamp', 'When it was decided (UTC)'],
        ['decided_by', 'string', 'Who decided: the user of the system that ran the command'],
        ['decision', 'string', 'accept: use a version that is held; reject: leave it held; acknowledge: an alarm was seen'],
        ['subject', 'string', 'What it is about: the table of the version, or the alarm'],
        ['version', 'string', 'Which version of it'],
        ['reason', 'string', 'Why, in words'],
    ]) -%}
{%- endmacro %}


{% macro ensure_decisions() -%}
    {#- Make the table where it is missing, and nothing else: a raw schema that is not there is not
        made, since its name may be misspelt. Runs before each command that writes. -#}
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


{% macro decisions() -%}
    {#- The decisions, as a relation for a `from`; none where the table is not there. -#}
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


{% macro text_literal(text) -%}
    {#- `text` as an SQL literal, whatever characters it has. -#}
    {%- do return("'" ~ (text | string).replace('\\', '\\\\').replace("'", "\\'") ~ "'") -%}
{%- endmacro %}


{% macro record_decision(decision, subject, version, reason) -%}
    {#- Append one decision of whoever runs the command. decision: accept, reject or acknowledge. -#}
    {%- if not (reason or '') | string | trim -%}
        {%- do exceptions.raise_compiler_error('A decision needs a reason: add reason to --args.') -%}
    {%- endif -%}
    {%- do ensure_decisions() -%}
    {%- set table = decisions_table() -%}
    {%- if load_relation(table) is none -%}
        {%- do exceptions.raise_compiler_error(
            'There is no schema ' ~ table.schema ~ ' to keep the decision in; LACUSTRE_RAW_SCHEMA names it.'
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


{% macro accept(version, reason) -%}
    {#- `dbt run-operation accept --args '{version: park_pdc/7, reason: …}'`: a person says that a version
        that is held may be used; it counts from the next build on. -#}
    {%- for decided in decide_about_versions('accept', version, reason) -%}
        {%- do log('Accepted ' ~ decided ~ '; it is used from the next build on.', info=true) -%}
    {%- endfor -%}
{%- endmacro %}


{% macro reject(version, reason) -%}
    {#- `dbt run-operation reject --args '{version: park_pdc/7, reason: …}'`: a person says that a version
        stays held; it warns no more. -#}
    {%- for decided in decide_about_versions('reject', version, reason) -%}
        {%- do log('Rejected ' ~ decided ~ '; it stays held and warns no more.', info=true) -%}
    {%- endfor -%}
{%- endmacro %}


{% macro decide_about_versions(decision, version, reason) -%}
    {#- Keep the decision about each version that is held and like `version`, a pattern in which % stands
        for any text; their names as a list. -#}
    {%- set version, found = version | string, [] -%}
    {%- for model in ['park_held_versions', 'matomo_held_catalogues'] -%}
        {%- if load_relation(ref(model)) is not none -%}
            {%- do found.extend(run_query(
                'select version from ' ~ ref(model) ~ ' where version like ' ~ text_literal(version)
                ~ ' order by 1'
            ).columns[0].values()) -%}
        {%- endif -%}
    {%- endfor -%}
    {#- A table that is gone is in no view: the build stopped and named it. -#}
    {%- if '/gone-after-' in version and version.split('/')[0][5:] in park_tables() -%}
        {%- do found.append(version) -%}
    {%- endif -%}
    {%- if not found -%}
        {%- do exceptions.raise_compiler_error(
            'No version ' ~ version ~ ' is held; ' ~ ref('park_held_versions') ~ ' and '
            ~ ref('matomo_held_catalogues') ~ ' show those that are.'
        ) -%}
    {%- endif -%}
    {%- for held in found -%}
        {%- do record_decision(decision, held.split('/')[0], held, reason) -%}
    {%- endfor -%}
    {%- do return(found) -%}
{%- endmacro %}


{% macro versions_decided(decision) -%}
    {#- The versions whose last decision is `decision`, and when that was, as a relation for a `from`. -#}
    (
        select version, max(decided_at) as decided_at
        from {{ decisions() }} as decisions
        group by version
        having max_by(decision, decided_at) = {{ text_literal(decision) }}
    )
{%- endmacro %}

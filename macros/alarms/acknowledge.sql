{% macro acknowledge(alarm, reason, subject='%') -%}
    {#- `dbt run-operation acknowledge --args '{alarm: unknown_goals, subject: "site 5, %", reason:
        …}'`: records that a person has seen the open findings of an alarm. They no longer warn,
        until the finding changes. alarm: its name; reason: in words; subject: a pattern in which %
        matches any text, all subjects by default. -#}
    {%- if not (reason or '') | string | trim -%}
        {%- do exceptions.raise_compiler_error('A reason is missing: add `reason: …` to --args.') -%}
    {%- endif -%}
    {%- if execute -%}
        {%- set is_meant = 'is_open and alarm = ' ~ text_literal(alarm)
            ~ ' and subject like ' ~ text_literal(subject) -%}
        {%- set meant = run_query(
            'select subject, version from ' ~ ref('matomo_alarms') ~ ' where ' ~ is_meant
            ~ ' order by subject'
        ).rows -%}
        {%- if meant | length == 0 -%}
            {%- do exceptions.raise_compiler_error(
                'No open alarm ' ~ alarm ~ ' has a subject like ' ~ subject ~ '; '
                ~ ref('matomo_alarms') ~ ' lists the open alarms.'
            ) -%}
        {%- endif -%}
        {%- for row in meant -%}
            {%- do record_decision('acknowledge', alarm ~ ': ' ~ row[0], row[1], reason) -%}
        {%- endfor -%}
        {%- do log(
            'Acknowledged ' ~ alarm ~ ' about ' ~ meant | map(attribute=0) | join('; '), info=true
        ) -%}
    {%- endif -%}
{%- endmacro %}

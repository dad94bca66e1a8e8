{% macro decision_columns() -%}
    {#- The columns of the table: name, type and description. -#}
    {%- do return([
        ['decided_at', 'timestamp', 'When it was decided (UTC)'],
        ['decided_by', 'string', 'Who decided: the user of the system that ran the command'],
        ['decision', 'string', 'accept: use a version that is held; reject: leave it held; acknowledge: an alarm was seen'],
        ['subject', 'string', 'What it is about: the table of the version, or the alarm'],
        ['version', 'string', 'Which version of it'],
        ['reason', 'string', 'Why, in words'],
    ]) -%}
{%- endmacro %}

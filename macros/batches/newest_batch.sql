{#-
    `batch_id` is the clock of the whole path: each table carries the batch of the newest record
    behind each row, and an incremental model reads what is newer than its own newest row. The mark
    is fetched first and written as a literal, so that Delta skips the files of older batches. A
    model that failed reads its batches again by itself, since its own table did not move.
-#}
{% macro newest_batch(relation, clock=none) -%}
    {#- The highest batch that `relation` holds, 0 for none. Delta answers it from its statistics, but
        not for a table with deletion vectors: `clock`, an append-only relation upstream, tells what
        the newest batches are: usually the table has the last one, or the one before. -#}
    {%- set newest = 'select max(batch_id) from ' ~ relation -%}
    {%- set found = namespace(mark=none) -%}
    {%- if clock is not none -%}
        {#- Nothing around `max`, or Delta would read all rows for it. -#}
        {%- set now = run_query('select max(batch_id) from ' ~ clock).columns[0][0] or 0 -%}
        {%- for recent in [
            'select batch_id from ' ~ relation ~ ' where batch_id = ' ~ now ~ ' limit 1',
            'select batch_id from ' ~ relation ~ ' where batch_id = ' ~ (now - 1) ~ ' limit 1',
            newest ~ ' where batch_id > ' ~ (now - 100),
        ] -%}
            {%- if found.mark is none -%}
                {%- set answer = run_query(recent).rows -%}
                {%- set found.mark = answer[0][0] if answer | length > 0 else none -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return((run_query(newest).columns[0][0] if found.mark is none else found.mark) or 0) -%}
{%- endmacro %}

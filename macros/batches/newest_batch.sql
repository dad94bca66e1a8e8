{#-
    `batch_id` alone decides what is new. Each row below raw carries the `batch_id` of the newest
    record that it was made from. An incremental model first queries its own newest batch, then
    reads the batches above it. The number is a literal in the statement, so Delta skips the files
    of older batches. A failed model reads the same batches again, because its table did not change.
-#}
{% macro newest_batch(relation, clock=none) -%}
    {#- The newest batch of `relation`, the highest `batch_id`; 0 if it has no rows. Delta answers
        `max` from its statistics, but not for a table with deletion vectors. For such a table
        `clock`, an append-only relation upstream, gives the newest batch upstream: usually the
        table has rows of this batch, or of the one before, and `limit 1` finds one quickly. -#}
    {%- set newest = 'select max(batch_id) from ' ~ relation -%}
    {%- set found = namespace(mark=none) -%}
    {%- if clock is not none -%}
        {#- A plain `max(batch_id)`: inside another expression Delta would read all rows for it. -#}
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

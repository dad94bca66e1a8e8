{% macro meter_event_suspects(near, is_new) -%}
    {#- The hashes (event_hash) of events that a new batch may have brought again, as a relation for
        a join: hashes of more than one arrival in `near`, of which at least one is new by `is_new`.
        Both are predicates on stg_meters__events.
        A query counts the hashes first. Up to 10,000 become literals, so Spark does not search for
        them twice. Up to a million, which the driver can hold, are broadcast; Spark does so only if
        the hint stands in the join itself. Without it Spark would sort all events by their hashes.
        -#}
    {%- set events = ref('stg_meters__events') -%}
    {%- set query -%}
        select {{ meter_event_hash() }} as event_hash from {{ events }}
        where reason is null and {{ near }}
        group by event_hash
        having count(*) > 1 and bool_or({{ is_new }})
    {%- endset -%}
    {%- set found = [none, none] -%}
    {%- if execute and load_relation(events) is not none -%}
        {%- set found = run_query(
            "select count(*), if(count(*) <= 10000, array_join(collect_list(event_hash), ', '), null)"
            ~ ' from (' ~ query ~ ' limit 1000001)'
        ).rows[0] -%}
    {%- endif -%}
    (
        {%- if found[1] is not none -%}
        select explode(cast(array({{ found[1] }}) as array<bigint>)) as event_hash
        {%- elif found[0] is not none and found[0] <= 1000000 -%}
        select /*+ broadcast(found) */ event_hash from ({{ query }}) as found
        {%- else -%}
        {{ query }}
        {%- endif -%}
    )
{%- endmacro %}

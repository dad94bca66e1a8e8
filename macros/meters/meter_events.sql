{% macro meter_event_content(relation=none) -%}
    {#- What an event is: all that its line says. Two arrivals with the same content are one event.
        relation: alias of the rows, where one is needed. Null-safe: nulls are told from texts. -#}
    {%- set prefix = relation ~ '.' if relation else '' -%}
    to_json(struct(
        {%- for column in [
            'event_id', 'occurred_at_local', 'arrived_at_local', 'event_type', 'equipment_type',
            'equipment_id', 'info'
        ] -%}
            {{ prefix }}{{ column }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    ))
{%- endmacro %}


{% macro meter_event_hash() -%}
    {#- A number that is the same for arrivals with the same content; rarely for others, too. -#}
    xxhash64(
        event_id, occurred_at_local, arrived_at_local, event_type, equipment_type, equipment_id, info
    )
{%- endmacro %}


{% macro near_days(days) -%}
    {#- A predicate on the lake's events: they occurred on one of `days`, date literals as `touched`
        gives them; all of them on a model's first build. Their months are named too, since those are
        the partitions. -#}
    {%- set months = [] -%}
    {%- for day in days -%}
        {%- do months.append(day[:8] ~ "-01'") -%}
    {%- endfor -%}
    {%- if is_incremental() -%}
    {{ one_of('occurred_month', months | unique | list) }} and {{ one_of('occurred_on', days) }}
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}


{% macro is_future_event() -%}
    {#- A predicate on an event: its clock was ahead, by more than the variable allows after its
        arrival by its own account, or by more than a day (no place is further from UTC) after
        Kafka had it. In seconds as the clocks show them: arithmetic with times makes calendar
        objects of each, for every event. -#}
    (
        unix_timestamp(occurred_at_local) - unix_timestamp(arrived_at_local)
            > {{ 60 * var('meter_future_after_minutes') }}
        or unix_timestamp(occurred_at_local) - unix_timestamp(received_at) > 86400
    )
{%- endmacro %}


{% macro meter_event_suspects(near, is_new) -%}
    {#- The hashes (event_hash) of events that a new batch may have brought again, as a relation of a
        join: those of more than one arrival where `near` holds, one of them where `is_new` does,
        predicates on stg_meters__events. They are asked for first: a few are named, so that nobody
        looks for them twice; more, that the driver can hold, Spark sends to the events, which it does
        only where the hint stands in the join itself; else it sorts all events by their hashes. -#}
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

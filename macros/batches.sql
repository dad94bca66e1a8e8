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


{% macro newer_than(relation, column='batch_id', clock=none) -%}
    {#- A predicate: `column` is above the highest batch that `relation` holds. -#}
    {{ column }} > {{ newest_batch(relation, clock) if execute and relation is not none else 0 }}
{%- endmacro %}


{% macro new_batches(column='batch_id', clock=none) -%}
    {#- A predicate: what this incremental model has not read yet; everything on its first build. -#}
    {{ newer_than(this, column, clock) if is_incremental() else 'true' }}
{%- endmacro %}


{% macro this_build() -%}
    {#- What one invocation keeps for all of its models: a dictionary. dbt hands the same `graph` to
        every model of it. -#}
    {%- do return(graph.setdefault('lacustre', {'batches': {}})) -%}
{%- endmacro %}


{% macro read_up_to(table) -%}
    {#- The batch up to which this invocation reads raw table `table` (a source): the newest that the
        ledger has closed when it is first asked, so that whatever a loader lands meanwhile is left
        to the next build. Of a table that the ledger does not know its own newest batch; none where
        there is no such table, or no server to ask. -#}
    {%- if not execute or not table.schema -%}
        {%- do return(none) -%}
    {%- endif -%}
    {%- set batches = this_build()['batches'] -%}
    {%- if 'asked' not in batches -%}
        {%- set ledger = load_relation(api.Relation.create(
            schema=env_var('LACUSTRE_RAW_SCHEMA', 'raw'), identifier='loader_batches'
        )) -%}
        {%- if ledger is not none -%}
            {%- for row in run_query(
                "select table_name, coalesce("
                ~ "min(case when state <> 'committed' then batch_id end) - 1, max(batch_id))"
                ~ " from " ~ ledger ~ " group by table_name"
            ).rows -%}
                {%- do batches.update({row[0]: row[1]}) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- do batches.update({'asked': true}) -%}
    {%- endif -%}
    {%- set name = table.schema ~ '.' ~ table.identifier -%}
    {%- if name not in batches -%}
        {%- set newest = none -%}
        {%- if load_relation(table) is not none -%}
            {%- set newest = run_query('select max(batch_id) from ' ~ table).columns[0][0] or 0 -%}
        {%- endif -%}
        {%- do batches.update({name: newest}) -%}
    {%- endif -%}
    {%- do return(batches[name]) -%}
{%- endmacro %}


{% macro landed(table, column='batch_id') -%}
    {#- A predicate: `column` is a batch of raw table `table` that this invocation reads. -#}
    {%- set newest = read_up_to(table) -%}
    {{ 'true' if newest is none else column ~ ' <= ' ~ newest }}
{%- endmacro %}


{% macro replays(table) -%}
    {#- The replays of raw table `table` (a source) that this model has not read yet: a list of
        batch, topic, and the first batch in which the topic's offsets meant what they mean now. -#}
    {%- set ledger = api.Relation.create(
        schema=env_var('LACUSTRE_RAW_SCHEMA', 'raw'), identifier='loader_batches'
    ) -%}
    {%- if not execute or load_relation(ledger) is none -%}
        {%- do return([]) -%}
    {%- endif -%}
    {%- do return(run_query(
        "select replay.batch_id, replay.topic, coalesce(max(renamed.batch_id), 0) as since"
        ~ " from " ~ ledger ~ " as replay left join " ~ ledger ~ " as renamed"
        ~ " on renamed.table_name = replay.table_name and renamed.topic = replay.topic"
        ~ " and renamed.batch_id < replay.batch_id and exists(renamed.gaps, gap -> gap.reason in"
        ~ " ('rewound', 'topic_recreated', 'topic_deleted'))"
        ~ " where replay.kind = 'replay' and replay.table_name = '"
        ~ ledger.schema ~ "." ~ table.identifier ~ "' and " ~ new_batches('replay.batch_id')
        ~ " and " ~ landed(table, 'replay.batch_id')
        ~ " group by 1, 2 order by 1"
    ).rows) -%}
{%- endmacro %}


{% macro new_records(table, taken='true') -%}
    {#- What this model has not read yet of raw table `table` (a source of Kafka records), each
        topic, partition and offset once: a replayed record counts where no earlier batch had it, or
        where this model has it, but not `taken` (a predicate on its rows): it could not use it
        then, so a replay after a fix reads the quarantine again. -#}
    {%- do check_history(table) -%}
    {%- set again = replays(table) -%}
    {%- if again | length == 0 -%}
        (select * from {{ table }} where {{ new_batches() }} and {{ landed(table) }})
    {%- else -%}
        {%- set same = 'held.topic = record.topic and held.partition = record.partition'
            ~ ' and held.offset = record.offset' -%}
        {%- set earlier = 'held.batch_id < record.batch_id'
            ~ ' and held.batch_id >= coalesce(replay.since, 0)' -%}
        {%- set numbers = again | map(attribute=0) | join(', ') -%}
        (
            select record.*
            from {{ table }} as record
                left join
                    values
                    {%- for row in again %}
                    ({{ row[0] }}, '{{ row[1] }}', {{ row[2] }}){{ ',' if not loop.last }}
                    {%- endfor %}
                    as replay (batch_id, topic, since)
                    on record.batch_id = replay.batch_id and record.topic = replay.topic
            where {{ new_batches('record.batch_id') }} and {{ landed(table, 'record.batch_id') }}
                and (
                    replay.batch_id is null
                    or not exists (
                        -- Of several replays the last one: this model's mark is beyond all then.
                        select 1 from {{ table }} as held
                        where {{ same }} and {{ new_batches('held.batch_id') }}
                            and (
                                ({{ earlier }} and held.batch_id not in ({{ numbers }}))
                                {%- for row in again %}
                                or (
                                    held.batch_id = {{ row[0] }}
                                    and record.batch_id between {{ row[2] }} and {{ row[0] - 1 }}
                                )
                                {%- endfor %}
                            )
                    )
                    {%- if is_incremental() %}
                    and not exists (
                        select 1 from (select * from {{ this }} where {{ taken }}) as held
                        where {{ same }} and {{ earlier }}
                    )
                    {%- endif %}
                )
        )
    {%- endif -%}
{%- endmacro %}


{% macro snapshot_relation(name) -%}
    {#- The table of snapshot `name`, or none before its first run. A snapshot's input needs it to
        know what the snapshot has seen, which `ref` cannot say: it would be a cycle. -#}
    {%- if execute -%}
        {%- do return(load_relation(api.Relation.create(
            schema=generate_schema_name('snapshots', none), identifier=name
        ))) -%}
    {%- endif -%}
    {%- do return(none) -%}
{%- endmacro %}


{% macro touched(relation, column) -%}
    {#- The values of `column` in what this incremental model has not read yet of `relation`, as a
        list of SQL literals; empty when there is nothing new. Literals, since Delta skips files by
        them and `REPLACE WHERE` takes nothing else. -#}
    {%- set values = [] -%}
    {%- if execute and is_incremental() -%}
        {%- set rows = run_query(
            'select distinct cast(' ~ column ~ ' as string) from ' ~ relation
            ~ ' where ' ~ column ~ ' is not null and ' ~ new_batches() ~ ' order by 1'
        ).columns[0].values() -%}
        {%- for value in rows -%}
            {%- do values.append("'" ~ value ~ "'") -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return(values) -%}
{%- endmacro %}


{% macro one_of(column, literals) -%}
    {#- A predicate: `column` is one of the SQL `literals`; nothing is, when there are none. -#}
    {{ column ~ ' in (' ~ literals | join(', ') ~ ')' if literals else 'false' }}
{%- endmacro %}

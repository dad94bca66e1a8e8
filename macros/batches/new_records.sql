{% macro new_records(table, taken='true') -%}
    {#- The records of raw table `table` (a source of Kafka records) that this model has not read,
        each topic, partition and offset once. A replayed record passes if neither an earlier batch
        of this read nor this model has it. `taken`, a predicate on this model's rows, restricts the
        latter: a record that the model has only as an unusable row passes again, so a replay after
        a fix also reads the quarantined records. -#}
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
                        -- If several replays hold the record, take it from the last one: after this
                        -- build the model's newest batch is above all of them.
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


{% macro replays(table) -%}
    {#- The replays of raw table `table` (a source) that this model has not read: a list of batch,
        topic, and `since`, the first batch whose offsets name the same records as now. -#}
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

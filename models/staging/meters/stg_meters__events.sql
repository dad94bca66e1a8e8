{{ config(materialized='incremental', incremental_strategy='append') }}

-- One row per CSV line of a message. A message is a JSON object whose members are
-- "<file>_row<N>" and the line as text; header lines are left out. Lines that are no event carry
-- the reason why.
with messages as (
    select
        batch_id,
        topic,
        partition,
        offset,
        timestamp as received_at,
        cast(value as string) as body
    from {{ new_records(source('raw', 'meter_events')) }}
),

parsed as (
    select
        *,
        -- Nearly every message is one member without escapes: splitting it at its quotes takes a
        -- quarter of the time that parsing JSON takes. All others are parsed.
        case
            when body is null then null
            when body rlike '^\\s*\\{\\s*"[^"\\\\]*"\\s*:\\s*"[^"\\\\]*"\\s*\\}\\s*$'
                then array(struct(split(body, '"')[1] as name, split(body, '"')[3] as line))
            else transform(
                map_entries(from_json(
                    body, 'map<string, string>', map('mode', 'PERMISSIVE')
                )),
                member -> struct(member.key as name, member.value as line)
            )
        end as members
    from messages
),

lines as (
    select
        parsed.* except (body, members),
        body is null as is_tombstone,
        coalesce(member_index, 0) as line_index,
        member.name as source_name,
        trim(trailing '\r\n' from member.line) as line,
        split(trim(trailing '\r\n' from member.line), ',', -1) as parts
    from parsed
        lateral view outer posexplode(members) exploded as member_index, member
),

fields as (
    select
        *,
        {{ timestamp_or_null('get(parts, 1)', 'yyyy-MM-dd HH:mm:ss') }} as occurred,
        {{ timestamp_or_null('get(parts, 2)', 'yyyy-MM-dd HH:mm:ss') }} as arrived,
        try_cast(get(parts, 5) as int) as equipment_number
    from lines
    where line is null or line not like 'id_evt,%'
),

reasoned as (
    select
        *,
        case
            when is_tombstone then 'tombstone'
            when line is null then 'invalid_json'
            when size(parts) != 7 then 'wrong_field_count'
            when occurred is null then 'wrong_occurrence_time'
            when arrived is null then 'wrong_arrival_time'
            when coalesce(get(parts, 4), '') not in ('C', 'K') then 'unknown_equipment_type'
            when equipment_number is null then 'wrong_equipment_id'
            when coalesce(get(parts, 3), '') = '' then 'no_event_type'
        end as reason
    from fields
)

select
    batch_id,
    topic,
    partition,
    offset,
    line_index,
    received_at,
    source_name,
    reason,
    if(reason is not null, line, null) as rejected_line,
    if(reason is null, {{ surrogate_key(['source_name', 'line']) }}, null) as event_key,
    if(reason is null, get(parts, 0), null) as event_id,
    if(reason is null, cast(occurred as timestamp_ntz), null) as occurred_at_local,
    if(reason is null, cast(occurred as date), null) as occurred_on,
    if(reason is null, cast(arrived as timestamp_ntz), null) as arrived_at_local,
    if(reason is null, get(parts, 3), null) as event_type,
    if(reason is null, get(parts, 4), null) as equipment_type,
    if(reason is null, equipment_number, null) as equipment_id,
    if(reason is null, nullif(get(parts, 6), ''), null) as info
from reasoned

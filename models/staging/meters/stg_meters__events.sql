{{ config(
    materialized='incremental',
    incremental_strategy='append',
    partition_by=['occurred_month'],
    tblproperties={'delta.dataSkippingStatsColumns': 'batch_id,offset,occurred_on,reason'}
) }}
{% set names = [
    'id_evt', 'date_occur_evt', 'date_system_evt', 'type_evt', 'type_equipement', 'id_equipement',
    'info_div'
] %}
{% set columns = "array('" ~ names | join("', '") ~ "')" %}

-- One row per event of a message, by the month when it occurred. A message is a JSON object. Either
-- its members are "<file>_row<N>" with the CSV line as text, or it is one event with a member per
-- column. Header lines are left out. A row that is not an event has the reason.
with messages as (
    select
        batch_id,
        topic,
        partition,
        offset,
        coalesce(timestamp, loaded_at) as received_at,
        cast(value as string) as body,
        -- Nearly every message is one member without escapes. Splitting it at its quotes takes a
        -- quarter of the time of parsing JSON. All other messages are parsed.
        split(body, '"', -1) as pieces,
        coalesce(
            size(pieces) = 5
            and get(pieces, 0) = '{'
            and get(pieces, 2) in (':', ': ')
            and get(pieces, 4) = '}'
            and not contains(body, '\\'),
            false
        ) as is_plain
    from {{ new_records(source('raw', 'meter_events')) }}
),

-- Of a plain message only name and line are passed on: copying its pieces takes longer than
-- splitting them again.
shaped as (
    select
        messages.* except (body, pieces),
        if(is_plain, pieces[1], null) as plain_name,
        if(is_plain, pieces[3], null) as plain_line,
        if(is_plain, null, body) as body,
        body is null as is_tombstone,
        if(
            is_plain, null, from_json(body, 'map<string, string>', map('mode', 'PERMISSIVE'))
        ) as members,
        coalesce(arrays_overlap(map_keys(members), {{ columns }}), false) as is_event
    from messages
),

-- The parts that a message unfolds into. A single event is not unfolded: its columns are its parts,
-- or none if columns are missing or there are too many.
contents as (
    select
        shaped.* except (members, body),
        -- Only the lines of a message are passed on, because the other columns are copied to each
        -- line.
        if(is_event, body, null) as event_text,
        if(is_event, null, map_entries(members)) as lines,
        case
            when not is_event then null
            when size(array_intersect(map_keys(members), {{ columns }})) < 6 then array()
            when map_contains_key(members, 'rest') then array()
            else array(
                {%- for name in names %}
                members['{{ name }}']{{ ',' if not loop.last }}
                {%- endfor %}
            )
        end as event_parts
    from shaped
),

entries as (
    select
        contents.* except (lines),
        coalesce(line_index, 0) as line_index,
        entry
    from contents
        lateral view outer posexplode(lines) exploded as line_index, entry
),

lines as (
    select
        entries.* except (
            is_plain, is_event, plain_name, plain_line, event_text, event_parts, entry
        ),
        if(is_plain, plain_name, entry.key) as source_name,
        case
            when is_plain then plain_line
            when is_event then event_text
            else entry.value
        end as text,
        if(
            endswith(text, '\r') or endswith(text, '\n'), trim(trailing '\r\n' from text), text
        ) as line,
        coalesce(event_parts, split(line, ',', -1)) as parts
    from entries
),

fields as (
    select
        *,
        {{ wall_clock_or_null('get(parts, 1)') }} as occurred,
        {{ wall_clock_or_null('get(parts, 2)') }} as arrived,
        try_cast(get(parts, 5) as bigint) as equipment_number
    from lines
    where line is null or line != '{{ names | join(',') }}'
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
    if(reason is not null, source_name, null) as source_name,
    reason,
    if(reason is not null, line, null) as rejected_line,
    if(reason is null, nullif(get(parts, 0), ''), null) as event_id,
    if(reason is null, occurred, null) as occurred_at_local,
    cast(occurred as date) as occurred_on,
    if(reason is null, arrived, null) as arrived_at_local,
    if(reason is null, get(parts, 3), null) as event_type,
    if(reason is null, get(parts, 4), null) as equipment_type,
    if(reason is null, equipment_number, null) as equipment_id,
    if(reason is null, nullif(get(parts, 6), ''), null) as info,
    cast(trunc(occurred, 'month') as date) as occurred_month
from reasoned

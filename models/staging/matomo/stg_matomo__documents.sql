{{ config(materialized='incremental', incremental_strategy='append') }}

-- The one place where Matomo's JSON is parsed. A message holds one object or an array of them;
-- a catalogue may also be one object keyed by id. Every scalar is kept as text, since PHP 7 sends
-- strings where PHP 8 sends numbers.
with messages as (
    select
        batch_id,
        topic,
        partition,
        offset,
        timestamp as exported_at,
        regexp_replace(cast(value as string), '^\\uFEFF', '') as body,
        cast(key as string) as message_key,
        transform_keys(
            map_from_entries(
                array_distinct(transform(
                    coalesce(headers, array()),
                    header -> struct(lower(header.key), cast(header.value as string))
                ))
            ),
            (name, text) -> name
        ) as headers
    from {{ new_records(source('raw', 'matomo')) }}
),

parsed as (
    select
        *,
        from_json(
            '{"documents":' || if(body rlike '^\\s*\\[', body, '[' || body || ']') || '}',
            'documents array<map<string, string>>, corrupt string',
            map('columnNameOfCorruptRecord', 'corrupt')
        ) as message
    from messages
),

documents as (
    select
        parsed.* except (body, message),
        document_index,
        fields,
        case
            when body is null then 'tombstone'
            when message.corrupt is not null or coalesce(size(message.documents), 0) = 0
                then 'invalid_json'
            when fields is null then 'not_an_object'
            when fields['result'] = 'error' then 'matomo_error'
        end as unusable
    from parsed
        lateral view outer posexplode(
            flatten(transform(
                message.documents,
                document -> if(
                    size(document) > 0
                    and forall(map_keys(document), name -> name rlike '^[0-9]+$'),
                    transform(
                        map_values(document), entry -> from_json(entry, 'map<string, string>')
                    ),
                    array(document)
                )
            ))
        ) exploded as document_index, fields
    -- Only an empty catalogue ([]) is a message of no documents.
    where fields is not null or not coalesce(body rlike '^\\s*\\[\\s*\\]\\s*$', false)
),

typed as (
    select
        *,
        {{ matomo_message_type("coalesce(headers['type'], message_key)", 'fields') }}
            as message_type,
        case message_type
            when 'visit' then 'idVisit'
            when 'goals' then 'idgoal'
            when 'custom_dimensions' then 'idcustomdimension'
        end as id_field,
        try_cast(coalesce(
            fields['idSite'],
            fields['idsite'],
            headers['site'],
            headers['site_id'],
            headers['idsite'],
            regexp_extract(message_key, '^([0-9]+)(:|$)', 1)
        ) as bigint) as site_id,
        from_json(fields['actionDetails'], 'array<map<string, string>>') as actions
    from documents
),

judged as (
    select
        *,
        -- Names of the fields without which the document cannot be placed.
        array_compact(array(
            if(site_id is null, 'site', null),
            if(try_cast(fields[id_field] as bigint) is null, id_field, null),
            case
                when message_type != 'visit' then null
                when {{ epoch_seconds("fields['firstActionTimestamp']") }} is null
                    then 'firstActionTimestamp'
                when {{ epoch_seconds("fields['lastActionTimestamp']") }} is null
                    then 'lastActionTimestamp'
            end,
            if(fields['actionDetails'] is not null and actions is null, 'actionDetails', null)
        )) as wrong_fields
    from typed
),

reasoned as (
    select
        *,
        case
            when unusable is not null then unusable
            when message_type is null then 'unknown_type'
            when size(wrong_fields) > 0 then 'wrong_type'
        end as reason
    from judged
)

select
    batch_id,
    topic,
    partition,
    offset,
    coalesce(document_index, 0) as document_index,
    exported_at,
    message_type,
    site_id,
    reason,
    case reason
        when 'matomo_error' then fields['message']
        when 'unknown_type' then array_join(slice(array_sort(map_keys(fields)), 1, 5), ', ')
        when 'wrong_type' then array_join(wrong_fields, ', ')
    end as detail,
    if(reason is null, map_filter(fields, (name, text) -> name != 'actionDetails'), null) as fields,
    if(reason is null, actions, null) as actions
from reasoned

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns'
) }}

-- The only model that parses Matomo's JSON. A message holds one object or an array of them; a
-- catalogue may also be one object keyed by id. Scalars stay text, because PHP 7 sends strings
-- where PHP 8 sends numbers.
with messages as (
    select
        batch_id,
        topic,
        partition,
        offset,
        coalesce(timestamp, loaded_at) as exported_at,
        regexp_replace(cast(value as string), '^\\uFEFF', '') as body,
        cast(key as string) as message_key,
        transform_keys(
            map_from_entries(
                array_distinct(transform(
                    filter(headers, header -> header.key is not null),
                    header -> struct(lower(header.key), cast(header.value as string))
                ))
            ),
            (name, text) -> name
        ) as headers
    from {{ new_records(source('raw', 'matomo'), taken='reason is null') }}
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

-- All properties of a whole message are computed here. The columns of this step are copied to each
-- document of the message: with the body among them, the cost would grow with the square of the
-- message's size.
opened as (
    select
        parsed.* except (body, message),
        message.documents,
        coalesce(body rlike '^\\s*\\[', false) as is_list,
        coalesce(body rlike '^\\s*\\[\\s*\\]\\s*$', false) as is_empty,
        body is null as is_tombstone,
        message.corrupt is not null or coalesce(size(message.documents), 0) = 0 as is_invalid
    from parsed
),

documents as (
    select
        opened.* except (documents, is_list, is_tombstone, is_invalid),
        document_index,
        document.fields,
        document.entry,
        -- A catalogue lists everything that a site has, so an unlisted entry no longer exists.
        is_list or document.entry is not null as is_catalogue,
        case
            when is_tombstone then 'tombstone'
            when is_invalid then 'invalid_json'
            when document.fields is null then 'not_an_object'
            when document.fields['result'] = 'error' then 'matomo_error'
        end as unusable
    from opened
        lateral view outer posexplode(
            flatten(transform(
                documents,
                document -> if(
                    size(document) > 0
                    and forall(map_keys(document), name -> name rlike '^[0-9][0-9,-]*$'),
                    -- A catalogue keyed by id, or reports by day, week, month or year.
                    transform(
                        map_entries(document),
                        entry -> struct(
                            from_json(entry.value, 'map<string, string>') as fields,
                            entry.key as entry
                        )
                    ),
                    array(struct(document as fields, cast(null as string) as entry))
                )
            ))
        ) exploded as document_index, document
),

typed as (
    select
        *,
        coalesce(
            {{ matomo_declared_type("coalesce(headers['type'], headers['message_type'])") }},
            {{ matomo_declared_type("headers['method']") }},
            {{ matomo_declared_type("split_part(message_key, ':', 1)") }},
            {{ matomo_declared_type("split_part(message_key, ':', 2)") }},
            {{ matomo_type_by_shape('fields') }}
        ) as message_type,
        case message_type
            when 'visit' then 'idVisit'
            when 'goals' then 'idgoal'
            when 'custom_dimensions' then 'idcustomdimension'
            when 'sites' then 'idsite'
        end as id_field,
        try_cast(coalesce(
            fields['idSite'],
            fields['idsite'],
            headers['site'],
            headers['site_id'],
            headers['idsite'],
            nullif(regexp_extract(message_key, '(^|:)([0-9]+)(:|$)', 2), '')
        ) as bigint) as site_id,
        from_json(fields['actionDetails'], 'array<map<string, string>>') as actions,
        -- The body, the key or a header gives the period of a report.
        if(message_type = 'report', coalesce(entry, fields['date'], headers['date']), null)
            as report_date
    from documents
),

judged as (
    select
        *,
        -- Names of missing or wrong fields without which the document cannot be used.
        array_compact(array(
            if(site_id is null, 'site', null),
            if(
                try_cast(fields[id_field] as bigint) is null and not is_empty, id_field, null
            ),
            if(
                message_type = 'report'
                and coalesce(report_date, '') not rlike '^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?(,|$)',
                'date',
                null
            ),
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
    -- An empty list is a message without documents, except for a catalogue of a known site.
    where not is_empty or (message_type in ('goals', 'custom_dimensions') and site_id is not null)
),

reasoned as (
    select
        *,
        case
            when unusable is not null and not is_empty then unusable
            when not {{ matomo_is_wanted('message_type', 'site_id') }} then 'filtered'
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
    is_catalogue,
    report_date,
    if(
        message_type = 'report',
        lower(coalesce(
            headers['type'], headers['message_type'], headers['method'],
            split_part(message_key, ':', 1)
        )),
        null
    ) as report_method,
    -- Only the request contains goal and segment of a report. A segment may name a person.
    if(
        message_type = 'report',
        map_filter(
            map(
                'period', lower(coalesce(fields['period'], headers['period'])),
                'goal', lower(headers['idgoal']),
                'segment', sha2(nullif(trim(headers['segment']), ''), 256)
            ),
            (name, text) -> nullif(trim(text), '') is not null
        ),
        null
    ) as report_asked,
    if(
        reason is null,
        map_filter(
            coalesce({{ matomo_anonymised('fields') }}, map()),
            (name, text) -> name != 'actionDetails'
        ),
        null
    ) as fields,
    if(reason is null, {{ matomo_anonymised('actions') }}, null) as actions
from reasoned
{{ matomo_keys_joined() }}

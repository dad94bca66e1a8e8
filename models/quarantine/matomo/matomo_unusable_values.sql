-- Fields of usable documents whose text cannot be used: not a number where one is expected, a
-- number too large for the reports' sums, an unknown time zone. The field counts as missing; the
-- document is used. The text stays in raw, because it may contain personal data.
with documents as (
    select
        site_id,
        exported_at,
        topic,
        partition,
        offset,
        document_index,
        message_type,
        fields,
        actions
    from {{ ref('stg_matomo__documents') }}
    where message_type in ('visit', 'sites', 'goals') and reason is null
),

parts as (
    select
        * except (message_type, fields, actions),
        case message_type when 'visit' then 'visit' when 'sites' then 'site' else 'goal' end
            as found_in,
        fields as part
    from documents
    union all
    select
        * except (message_type, fields, actions, part),
        'action' as found_in,
        part
    from documents lateral view explode(actions) exploded as part
    where message_type = 'visit'
    union all
    select
        * except (message_type, fields, actions, part),
        'item' as found_in,
        part
    from documents
        lateral view explode(flatten(transform(
            actions,
            action -> coalesce(
                from_json(action['itemDetails'], 'array<map<string, string>>'), array()
            )
        ))) exploded as part
    where message_type = 'visit'
),

-- Names of the fields with a text (Matomo writes false for none) that cannot be used.
unusable as (
    select
        parts.* except (part),
        map_keys(map_filter(
            part,
            (name, text) -> coalesce(text, '') not in ('', 'false')
            and {{ matomo_is_unusable('found_in', 'name') }}
        )) as names
    from parts
)

select
    site_id,
    found_in,
    field,
    count(distinct struct(topic, partition, offset, document_index)) as documents,
    min(exported_at) as first_exported_at,
    max(exported_at) as last_exported_at
from unusable
    lateral view explode(names) exploded as field
group by site_id, found_in, field

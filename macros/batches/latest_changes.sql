{% macro latest_changes(relation, key, snapshot, version, block, clock) -%}
    {#-
        What a snapshot must look at: for each `key` that came in batches which the snapshot has not
        seen, its newest version, if that came in them. All versions of the key compete, so one that
        arrives late never replaces a newer one, not even a newer one that changed nothing.
        `changed_at` is when the version was exported, or just after the version that it replaces
        where that was exported at the same time or later: it grows with the versions of a key.
        relation: staging model, one row per version; key: its key column; snapshot: name of the
        snapshot; version: columns that order the versions of a key, by what they say and not by how
        they were batched; block: column that keys share with few others and never change, by which
        files are skipped; clock: append-only relation whose newest batch is the newest of all.
    -#}
    {%- set seen = snapshot_relation(snapshot) -%}
    {%- set order = version | join(', ') -%}
    {%- set is_new = newer_than(seen, clock=clock) if seen is not none else 'true' -%}
    {%- set fresh = '(select ' ~ block ~ ' from ' ~ relation ~ ' where ' ~ is_new ~ ')' -%}
    {%- set blocks = values_of(block, fresh) if execute and seen is not none else none -%}
    with fresh as (
        select *, struct({{ order }}) as version
        from {{ relation }}
        where {{ is_new }}
    ),

    newest as (
        -- All versions of the keys that came, in the files that may hold them.
        select versions.{{ key }}, max(struct({{ order }})) as version
        from {{ relation }} as versions
        left semi join fresh on versions.{{ key }} = fresh.{{ key }}
        where {{ has_value_of(blocks, 'versions.' ~ block) }}
        group by versions.{{ key }}
    )

    select
        fresh.* except (version),
        {% if seen is not none -%}
        greatest(fresh.exported_at, held.dbt_valid_from + interval 1 millisecond) as changed_at
        {%- else -%}
        fresh.exported_at as changed_at
        {%- endif %}
    from fresh
    inner join newest on fresh.{{ key }} = newest.{{ key }} and fresh.version = newest.version
    {%- if seen is not none %}
    left join {{ seen }} as held
        on fresh.{{ key }} = held.{{ key }} and held.dbt_valid_to is null
        and {{ has_value_of(blocks, 'held.' ~ block) }}
    {%- endif %}
    qualify row_number() over (
        partition by fresh.{{ key }}
        order by fresh.batch_id, fresh.topic, fresh.partition, fresh.offset, fresh.document_index
    ) = 1
{%- endmacro %}

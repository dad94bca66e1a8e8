{% macro latest_changes(relation, key, snapshot, version, block, clock) -%}
    {#-
        The input of a snapshot: for each `key` in the batches that the snapshot has not read, its
        newest version, if that came in these batches. All versions of the key compete, so a late
        version never replaces a newer one, not even if the newer one changed nothing.
        `changed_at` is the export time of the version. If that is not later than the export time of
        the version that it replaces, `changed_at` is one millisecond after that version began. So
        it increases from version to version of a key.
        relation: staging model, one row per version; key: its key column; snapshot: name of the
        snapshot; version: columns that order the versions of a key by their content, not by
        batches; block: column that few keys share and that never changes for a key, so Delta skips
        files by it; clock: append-only relation upstream, see newest_batch.
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
        -- All versions of the new rows' keys, from the files that may hold them.
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

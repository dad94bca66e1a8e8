{% macro latest_changes(relation, key, snapshot, version) -%}
    {#-
        What a snapshot must look at: for each `key` of `relation` in batches that snapshot has not
        seen, its newest version, unless the snapshot already holds a newer one. Hence a version
        that arrives late never replaces a newer one.
        relation: staging model, one row per version; key: its key column; snapshot: name of the
        snapshot; version: columns that order the versions of a key.
    -#}
    {%- set seen = snapshot_relation(snapshot) -%}
    {%- set batches = newer_than(seen, 'versions.batch_id') if seen is not none else 'true' -%}
    select versions.*
    from {{ relation }} as versions
    {%- if seen is not none %}
    left join {{ seen }} as held
        on versions.{{ key }} = held.{{ key }} and held.dbt_valid_to is null
    {%- endif %}
    where {{ batches }}
    {%- if seen is not none %}
        and (
            held.{{ key }} is null
            or struct({% for column in version %}versions.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
            > struct({% for column in version %}held.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
        )
    {%- endif %}
    qualify row_number() over (
        partition by versions.{{ key }}
        order by {% for column in version %}versions.{{ column }} desc{{ ', ' if not loop.last }}{% endfor %}
    ) = 1
{%- endmacro %}

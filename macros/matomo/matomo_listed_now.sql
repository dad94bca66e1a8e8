{% macro matomo_listed_now(catalogue) -%}
    {#-
        The entries that the catalogue in use of each site lists, and those that newer messages sent
        singly: the whole input of a snapshot that closes all other entries. `changed_at` is the
        export time, but never earlier than the end of the key's last version in the snapshot.
        catalogue: one of matomo_catalogues.
    -#}
    {%- set relation, key = ref('stg_matomo__' ~ catalogue), matomo_catalogues()[catalogue].key -%}
    {%- set columns = matomo_catalogues()[catalogue].columns -%}
    {%- set seen = snapshot_relation('snap_matomo__' ~ catalogue) -%}
    {%- set order = 'struct(entries.' ~ matomo_catalogue_order() | join(', entries.') ~ ')' -%}
    with states as (
        {{ matomo_catalogue_states(catalogue) | indent(8) }}
    ),

    held_catalogues as (
        select site_id, each.catalogue.version as version
        from states lateral view explode(state.held) held as each
    ),

    listed as (
        select entries.*
        from {{ relation }} as entries
        left join states on entries.site_id = states.site_id
        left join held_catalogues
            on entries.is_catalogue
            and entries.site_id = held_catalogues.site_id
            and {{ order }} = held_catalogues.version
        where entries.{{ key }} is not null
            and held_catalogues.version is null
            and (states.state is null or {{ order }} >= states.state.taken.version)
        qualify row_number() over (
            partition by entries.{{ key }}
            -- An entry that was sent with only its number describes nothing.
            order by coalesce(entries.{{ columns | join(', entries.') }}) is null,
                {{ order }} desc, entries.document_index desc, entries.row_hash
        ) = 1
    )
    {%- if seen is not none %},

    held as (
        select
            {{ key }},
            max(coalesce(dbt_valid_to, dbt_valid_from + interval 1 millisecond)) as until
        from {{ seen }}
        group by {{ key }}
    )
    {%- endif %}

    select
        listed.*,
        {% if seen is not none -%}
        greatest(listed.exported_at, held.until) as changed_at
        {%- else -%}
        listed.exported_at as changed_at
        {%- endif %}
    from listed
    {%- if seen is not none %}
    left join held on listed.{{ key }} = held.{{ key }}
    {%- endif %}
{%- endmacro %}

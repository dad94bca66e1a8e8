{% macro matomo_catalogue_states(catalogue) -%}
    {#-
        A query for the catalogue in use of each site, and for the newer ones that are held. A
        catalogue replaces the one in use unless it lost more entries than both variables
        held_when_lost_percent and held_when_lost_more_than allow, or all values of a column. Then
        it is held until a person accepts it or a later catalogue is good. The result follows from
        all catalogues in the order of their messages, so it does not depend on batches.
        One row per site: `state.taken` is the catalogue in use; `state.held` lists the held ones,
        the oldest first, each with the catalogue, the number of entries of the one in use, and the
        reason.
        catalogue: one of matomo_catalogues.
    -#}
    {%- set key, columns = matomo_catalogues()[catalogue].key, matomo_catalogues()[catalogue].columns -%}
    {%- set order = matomo_catalogue_order() | join(', ') -%}
    {%- set reasons = [
        'when size(array_except(state.taken.entries, sent.entries)) > '
        ~ var('held_when_lost_more_than') | int
        ~ ' and size(array_except(state.taken.entries, sent.entries)) * 100 > '
        ~ var('held_when_lost_percent') | float ~ " * size(state.taken.entries) then 'lost_keys'"
    ] -%}
    {%- for column in columns -%}
        {%- do reasons.append(
            'when state.taken.filled.' ~ column ~ ' > 0 and sent.filled.' ~ column
            ~ " = 0 and size(sent.entries) > 0 then 'lost_" ~ column ~ "'"
        ) -%}
    {%- endfor -%}
    {%- set reason = 'case ' ~ reasons | join(' ') ~ ' end' -%}
    select
        site_id,
        aggregate(
            slice(sent_catalogues, 2, size(sent_catalogues)),
            named_struct(
                'taken', sent_catalogues[0],
                'held', slice(array(named_struct(
                    'catalogue', sent_catalogues[0], 'entries_before', 0, 'reason', cast(null as string)
                )), 1, 0)
            ),
            (state, sent) -> if(
                sent.is_accepted or {{ reason }} is null,
                named_struct('taken', sent, 'held', slice(state.held, 1, 0)),
                named_struct(
                    'taken', state.taken,
                    'held', concat(state.held, array(named_struct(
                        'catalogue', sent, 'entries_before', size(state.taken.entries),
                        'reason', {{ reason }}
                    )))
                )
            )
        ) as state
    from (
        select
            site_id,
            array_sort(collect_list(struct(
                catalogues.version, name, batch_id, exported_at, entries, filled,
                accepted.version is not null as is_accepted
            ))) as sent_catalogues
        from (
            select
                site_id,
                struct({{ order }}) as version,
                concat_ws('/', '{{ catalogue }}', site_id, topic, partition, offset) as name,
                min(batch_id) as batch_id,
                exported_at,
                collect_set({{ key }}) as entries,
                named_struct(
                    {%- for column in columns %}
                    '{{ column }}', count({{ column }}){{ ',' if not loop.last }}
                    {%- endfor %}
                ) as filled
            from {{ ref('stg_matomo__' ~ catalogue) }}
            where is_catalogue
            group by site_id, {{ order }}
        ) as catalogues
        left join {{ versions_decided('accept') }} as accepted on catalogues.name = accepted.version
        group by site_id
    ) as sites
{%- endmacro %}

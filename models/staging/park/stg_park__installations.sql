-- Installations: which equipment was at which place, and when. The source has the last day;
-- valid_to is the day after it. The last possible date means no end.
with installations as (
    select
        'C' as equipment_type,
        try_cast(id_compteur as bigint) as equipment_id,
        try_cast(id_pdc as bigint) as place_id,
        {{ park_date('date_deb') }} as valid_from,
        date_add(nullif({{ park_date('date_fin') }}, date '9999-12-31'), 1) as valid_to
    from {{ last_import('installation_c') }} as meters
    union all
    select
        'K' as equipment_type,
        try_cast(id_concentrateurs as bigint) as equipment_id,
        try_cast(id_pdk as bigint) as place_id,
        {{ park_date('date_deb') }} as valid_from,
        date_add(nullif({{ park_date('date_fin') }}, date '9999-12-31'), 1) as valid_to
    from {{ last_import('installation_k') }} as concentrators
),

numbered as (
    -- The source has no key. Installations with the same equipment, place and first day are
    -- distinguished by their ends.
    select
        *,
        row_number() over (
            partition by equipment_type, equipment_id, place_id, valid_from order by valid_to
        ) as copy
    from installations
)

select
    {{ surrogate_key(['equipment_type', 'equipment_id', 'place_id', 'valid_from', 'copy']) }}
        as installation_key,
    {{ row_hash(['valid_to']) }} as row_hash,
    * except (copy)
from numbered

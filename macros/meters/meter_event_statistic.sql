{% macro meter_event_statistic(by, period) -%}
    {#- A whole statistic: events per period, event type and `by`: type, equipment, commune,
        departement, region or pdk. Events without a place have no code. Some columns are repeated
        under the names of the replaced system, which readers know. -#}
    {%- set dimension = {
        'type': ['event_label', 'event_category', 'event_severity'],
        'equipment': [
            'counts.equipment_type', 'counts.equipment_id',
            'counts.equipment_type as type_equipement', 'counts.equipment_id as id_equipement',
        ],
        'commune': [
            'commune_code', 'commune_label', 'commune_label as commune_compteur', 'departement_code',
        ],
        'departement': [
            'departement_code', 'departement_label', 'departement_label as departement_compteur',
        ],
        'region': ['region_code', 'region_label', 'region_label as region_compteur'],
        'pdk': ['pdk_id', 'pdk_id as id_pdk'],
    } -%}
    select
        {{ meter_period_columns(period) }},
        counts.event_type,
        counts.event_type as type_evt,
        {{ dimension[by] | join(', ') }},
        sum(counts.events) as events
    from {{ ref('meter_event_counts') }} as counts
    {%- if by == 'type' %}
    left join {{ ref('meter_event_types') }} as types on counts.event_type = types.event_type
    {%- elif by != 'equipment' %}
    left join {{ ref('meter_park') }} as park on counts.park_key = park.park_key
    {%- endif %}
    group by all
{%- endmacro %}

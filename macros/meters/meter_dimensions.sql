{% macro meter_dimensions(park, equipment=none) -%}
    {#- A lateral view that repeats a row for each part of the park to which it belongs: dimension,
        code (null if the row has none) and label of `parts`. park: alias of rows of meter_park;
        equipment: alias of rows of meter_equipment, whose manufacturer is used, so that events
        without a place have one too. -#}
    lateral view explode(array(
        struct('all' as dimension, 'all' as code, cast(null as string) as label)
        {%- for dimension, code, label in [
            ('region', 'region_code', 'region_label'),
            ('departement', 'departement_code', 'departement_label'),
            ('commune', 'commune_code', 'commune_label'),
            ('pdk', 'pdk_id', none),
            ('concentrator', 'concentrator_id', none),
            ('manufacturer', 'manufacturer_id', none),
        ] %},
        struct(
            '{{ dimension }}' as dimension,
            cast({{ equipment if equipment and dimension == 'manufacturer' else park }}.{{ code }} as string) as code,
            {{ park ~ '.' ~ label if label else 'cast(null as string)' }} as label
        )
        {%- endfor %}
    )) exploded_parts as parts
{%- endmacro %}

{% macro matomo_custom_variables(fields, page=false) -%}
    {#- Custom variables of a visit, or with `page` of an action: an array of slot, name and value.
        Matomo sends `[]`, an array, or an object keyed by slot; an action may also have them as
        fields of its own. fields: an SQL expression, map<string, string>. -#}
    {%- set prefix = 'customVariable' ~ ('Page' if page else '') -%}
    {%- set nested -%}
        aggregate(
            if(
                {{ fields }}['customVariables'] like '[%',
                from_json({{ fields }}['customVariables'], 'array<map<string, string>>'),
                map_values(from_json(
                    {{ fields }}['customVariables'], 'map<string, map<string, string>>'
                ))
            ),
            cast(map() as map<string, string>),
            (variables, slot) -> map_concat(variables, slot)
        )
    {%- endset -%}
    if(
        nullif({{ fields }}['customVariables'], '[]') is null
        {%- if page %}
        and not exists(map_keys({{ fields }}), name -> name like '{{ prefix }}%')
        {%- endif %},
        cast(array() as array<struct<slot: int, name: string, value: string>>),
        -- An array of one element, so that the lambda can name it.
        element_at(transform(
            array({{ 'map_concat(' ~ fields ~ ', coalesce(' ~ nested ~ ', map()))'
                if page else nested }}),
            variables -> transform(
                filter(
                    sequence(1, 20),
                    slot -> variables[concat('{{ prefix }}Name', slot)] is not null
                ),
                slot -> named_struct(
                    'slot', slot,
                    'name', variables[concat('{{ prefix }}Name', slot)],
                    'value', variables[concat('{{ prefix }}Value', slot)]
                )
            )
        ), 1)
    )
{%- endmacro %}

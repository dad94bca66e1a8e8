{% macro row_hash(columns) -%}
    {#- What a version of a row is: SHA-256 over the JSON of `columns`, with their names. Leave out
        columns that change without meaning (localised labels, lifetime totals, coordinates). -#}
    sha2(to_json(struct({{ columns | join(', ') }})), 256)
{%- endmacro %}

{% macro row_hash(columns) -%}
    {#- Hash of a version of a row: SHA-256 over the JSON of `columns` with their names. Leave out
        columns that change although the row does not (labels in the reader's language, lifetime
        totals). -#}
    sha2(to_json(struct({{ columns | join(', ') }})), 256)
{%- endmacro %}

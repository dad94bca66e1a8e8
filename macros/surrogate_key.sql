{% macro surrogate_key(expressions) -%}
    {#- Key of a row in one column: SHA-256 over a JSON array of the parts as text. JSON
        distinguishes null from '' and marks where each part ends. -#}
    sha2(to_json(array({% for expression in expressions -%}
        cast({{ expression }} as string){{ ', ' if not loop.last }}
    {%- endfor %})), 256)
{%- endmacro %}

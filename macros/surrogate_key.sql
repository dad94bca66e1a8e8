{% macro surrogate_key(expressions) -%}
    {#- One column that identifies a row: SHA-256 over a JSON array of the parts as text. JSON keeps
        null apart from '' and one part's delimiter apart from another's. -#}
    sha2(to_json(array({% for expression in expressions -%}
        cast({{ expression }} as string){{ ', ' if not loop.last }}
    {%- endfor %})), 256)
{%- endmacro %}

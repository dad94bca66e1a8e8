{% macro text_literal(text) -%}
    {#- `text` as an SQL literal, whatever characters it has. -#}
    {%- do return("'" ~ (text | string).replace('\\', '\\\\').replace("'", "\\'") ~ "'") -%}
{%- endmacro %}

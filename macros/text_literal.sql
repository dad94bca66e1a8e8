{% macro text_literal(text) -%}
    {#- `text` as an SQL literal, with quotes and backslashes escaped. -#}
    {%- do return("'" ~ (text | string).replace('\\', '\\\\').replace("'", "\\'") ~ "'") -%}
{%- endmacro %}

{% macro matomo_dimension_fields() -%}
    {#- A regular expression for the names of fields that hold a custom dimension. Its id is an int,
        so a field with more digits is an unknown field. -#}
    ^dimension[0-9]{1,9}$
{%- endmacro %}

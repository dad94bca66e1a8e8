{% macro matomo_dimension_fields() -%}
    {#- A regular expression of the fields that hold a custom dimension: its id is an int. A field with
        more digits is an unknown one. -#}
    ^dimension[0-9]{1,9}$
{%- endmacro %}

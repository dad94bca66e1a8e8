{% macro one_of(column, literals) -%}
    {#- A predicate: `column` equals one of the SQL `literals`; false if there are none. -#}
    {{ column ~ ' in (' ~ literals | join(', ') ~ ')' if literals else 'false' }}
{%- endmacro %}

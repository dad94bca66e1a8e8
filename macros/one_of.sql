{% macro one_of(column, literals) -%}
    {#- A predicate: `column` is one of the SQL `literals`; nothing is, when there are none. -#}
    {{ column ~ ' in (' ~ literals | join(', ') ~ ')' if literals else 'false' }}
{%- endmacro %}

{% macro has_value_of(values, column) %}
    {#- A predicate by which Delta skips files: `column`, with its alias, has one of `values` (a
        result of `values_of`), or lies between the first and the last. True if `values` is none,
        false if there are no values. -#}
    {% if values is none %}
        {% do return('true') %}
    {% elif values.first is defined %}
        {% do return(column ~ ' between ' ~ values.first ~ ' and ' ~ values.last) %}
    {% endif %}
    {% do return(one_of(column, values.literals)) %}
{% endmacro %}

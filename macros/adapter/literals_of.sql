{% macro literals_of(column, relation) %}
    {#- The distinct values of `column` in `relation`, as SQL literals. Asked of the new rows when the
        strategy runs, since `config` sees them at parse time only. -#}
    {% set literals = [] %}
    {% for value in run_query(
        'select distinct cast(' ~ column ~ ' as string) from ' ~ relation
    ).columns[0].values() %}
        {% do literals.append("'" ~ value ~ "'") %}
    {% endfor %}
    {% do return(literals) %}
{% endmacro %}

{% macro literals_of(column, relation) %}
    {#- The distinct values of `column` in `relation`, as SQL literals. A query reads them when the
        strategy runs, because `config` is evaluated when dbt parses. -#}
    {% set literals = [] %}
    {% for value in run_query(
        'select distinct cast(' ~ column ~ ' as string) from ' ~ relation
    ).columns[0].values() %}
        {% do literals.append("'" ~ value ~ "'") %}
    {% endfor %}
    {% do return(literals) %}
{% endmacro %}

{% macro values_of(column, relation) %}
    {#- The values of `column` in `relation`, for `has_value_of`: as SQL literals, and if there are
        more than 400, also the first and the last value. -#}
    {% set literals = literals_of(column, relation) %}
    {% if literals | length <= 400 %}
        {% do return({'literals': literals}) %}
    {% endif %}
    {% set ends = run_query(
        'select cast(min(' ~ column ~ ') as string), cast(max(' ~ column ~ ') as string) from ' ~ relation
    ).rows[0] %}
    {% do return({'literals': literals, 'first': "'" ~ ends[0] ~ "'", 'last': "'" ~ ends[1] ~ "'"}) %}
{% endmacro %}

{% test unique_combination(model, columns) %}
    {#- The grain of a model: `columns` together identify a row. -#}
    select {% for column in columns %}`{{ column }}`, {% endfor %}count(*) as rows_found
    from {{ model }}
    group by all
    having count(*) > 1
{% endtest %}

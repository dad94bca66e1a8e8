{% test one_open_version(model, key) %}
    {#- A snapshot has exactly one current version of each key. -#}
    select {{ key }}, count_if(dbt_valid_to is null) as open_versions
    from {{ model }}
    group by {{ key }}
    having count_if(dbt_valid_to is null) != 1
{% endtest %}

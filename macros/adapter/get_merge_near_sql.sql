{% macro get_merge_near_sql(source, target, unique_key, near) %}
    {% set values = values_of(near, source) %}
    {% if values.literals %}
    merge into {{ target }} as held
    using {{ source }} as fresh
    on
        {{ has_value_of(values, 'held.' ~ near) }}
        {% for column in unique_key %}
        and held.{{ column }} = fresh.{{ column }}
        {% endfor %}
    when matched then update set *
    when not matched then insert *
    {% else %}
    select 'nothing new' as outcome
    {% endif %}
{% endmacro %}

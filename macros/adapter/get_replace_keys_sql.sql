{% macro get_replace_keys_sql(source, target, unique_key, replace_key) %}
    {% set near = config.get('near', replace_key) %}
    {% set values = values_of(near, source) %}
    {% if values.literals %}
    merge into {{ target }} as current_rows
    using (
        select new_rows.*, false as is_removed from {{ source }} as new_rows
        union all
        select old_rows.*, true as is_removed
        from {{ target }} as old_rows
        left semi join {{ source }} as touched
            on old_rows.{{ replace_key }} = touched.{{ replace_key }}
        left anti join {{ source }} as kept
            on old_rows.{{ unique_key }} = kept.{{ unique_key }}
        where {{ has_value_of(values, 'old_rows.' ~ near) }}
    ) as changes
    on current_rows.{{ unique_key }} = changes.{{ unique_key }}
        and {{ has_value_of(values, 'current_rows.' ~ near) }}
    when matched and changes.is_removed then delete
    when matched then update set *
    when not matched and changes.{{ unique_key }} is not null then insert *
    {% else %}
    select 'nothing new' as outcome
    {% endif %}
{% endmacro %}

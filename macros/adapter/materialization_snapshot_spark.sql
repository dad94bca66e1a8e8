{% materialization snapshot, adapter='spark' %}
    {%- set held = load_cached_relation(this) -%}
    {%- if held is not none and not must_be_made()
        and not snapshot_sees_changes(held, model['compiled_code']) -%}
        {%- do leave_alone(held) -%}
        {{ return({'relations': [held]}) }}
    {%- endif -%}
    {{ return(dbt.materialization_snapshot_spark()) }}
{% endmaterialization %}

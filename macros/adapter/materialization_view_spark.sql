{% materialization view, adapter='spark' %}
    {{ run_hooks(pre_hooks) }}
    {%- set columns = run_query('describe query ' ~ sql).rows -%}
    {%- set names = columns | map(attribute=0) | list -%}
    {%- set comments = get_persist_docs_column_list(model.columns, names) -%}
    {%- set made_from = local_md5(tojson([
        sql, columns | map(attribute=1) | list, comments, model.description, model.contract,
        config.get('persist_docs')
    ])) -%}
    {%- set view = this.incorporate(type='view') -%}
    {%- if is_made_from(made_from) -%}
        {%- do leave_alone(view) -%}
    {%- else -%}
        {%- set held = load_cached_relation(this) -%}
        {%- if held is not none and held.is_table -%}
            {%- do handle_existing_table(should_full_refresh(), held) -%}
        {%- endif -%}
        {%- if config.get('contract').enforced -%}
            {%- do get_assert_columns_equivalent(sql) -%}
        {%- endif -%}
        {%- call statement('main') -%}
            create or replace view {{ view }}
            {% if config.persist_column_docs() -%}
            ({{ comments }})
            {%- endif %}
            {{ comment_clause() }}
            tblproperties ('lacustre.made_from' = '{{ made_from }}')
            as
            {{ sql }}
        {%- endcall -%}
        {%- set should_revoke = should_revoke(held, full_refresh_mode=True) -%}
        {%- do apply_grants(view, config.get('grants'), should_revoke=should_revoke) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [view]}) }}
{% endmaterialization %}

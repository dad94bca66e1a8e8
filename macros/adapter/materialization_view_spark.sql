{% materialization view, adapter='spark' %}
    {{ run_hooks(pre_hooks) }}
    {%- set text = local_md5(tojson([
        sql, model.columns, model.description, model.contract, config.get('persist_docs')
    ])) -%}
    {%- set view = this.incorporate(type='view') -%}
    {%- set made_from = held_made_from() -%}
    {%- set left_alone = made_from.startswith(text ~ '/') and has_columns_as_before(model.unique_id) -%}
    {%- if not left_alone -%}
        {%- set columns = run_query('describe query ' ~ sql).rows -%}
        {%- set types = columns | map(attribute=1) | list -%}
        {%- set making = text ~ '/' ~ local_md5(tojson(types)) -%}
        {%- set left_alone = made_from == making -%}
    {%- endif -%}
    {%- if left_alone -%}
        {%- do this_build()['left_alone'].update({model.unique_id: true}) -%}
        {%- do leave_alone(view) -%}
    {%- else -%}
        {%- set held = load_cached_relation(this) -%}
        {%- if held is not none and held.is_table -%}
            {%- do handle_existing_table(should_full_refresh(), held) -%}
        {%- endif -%}
        {%- if config.get('contract').enforced and not are_as_declared(columns) -%}
            {#- dbt's comparison normalises the types, and its error names the differences. -#}
            {%- do get_assert_columns_equivalent(sql) -%}
        {%- endif -%}
        {%- call statement('main') -%}
            create or replace view {{ view }}
            {% if config.persist_column_docs() -%}
            ({{ get_persist_docs_column_list(model.columns, columns | map(attribute=0) | list) }})
            {%- endif %}
            {{ comment_clause() }}
            tblproperties ('lacustre.made_from' = '{{ making }}')
            as
            {{ sql }}
        {%- endcall -%}
        {%- set should_revoke = should_revoke(held, full_refresh_mode=True) -%}
        {%- do apply_grants(view, config.get('grants'), should_revoke=should_revoke) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [view]}) }}
{% endmaterialization %}


{% macro are_as_declared(columns) -%}
    {%- set found, declared = {}, {} -%}
    {%- for column in columns -%}
        {%- do found.update({column[0]: column[1]}) -%}
    {%- endfor -%}
    {%- for name, column in model.columns.items() -%}
        {%- do declared.update({name: (column.data_type or '') | lower | replace(' ', '')}) -%}
    {%- endfor -%}
    {%- do return(found == declared) -%}
{%- endmacro %}

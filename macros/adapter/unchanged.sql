{#-
    A view, a seed or a snapshot that would be what it is already is left alone. `--full-refresh` makes
    views and seeds anew; what has hooks or grants is made as dbt makes it.

    What a view and a seed were made from is kept with them, as a hash in the table property
    `lacustre.made_from`. For a view that is its text, comments and contract, and the types that Spark
    finds for the text now: a view that stayed while a type upstream changed would cast to the old one.
-#}
{% macro is_made_from(made_from) -%}
    {#- Whether the relation of this node exists and was made from `made_from`, a hash. -#}
    {%- set held = load_cached_relation(this) -%}
    {%- if held is none or should_full_refresh() or must_be_made() -%}
        {%- do return(false) -%}
    {%- endif -%}
    {%- set property = run_query("show tblproperties " ~ held ~ " ('lacustre.made_from')").rows[0] -%}
    {%- do return(property | last == made_from) -%}
{%- endmacro %}


{% macro must_be_made() -%}
    {#- Whether this node has hooks, which may do anything, or grants. -#}
    {%- do return(true if pre_hooks or post_hooks or config.get('grants') else false) -%}
{%- endmacro %}


{% macro leave_alone(held) -%}
    {#- What dbt asks of a materialization that has nothing to do. -#}
    {%- call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) -%}
    -- {{ held }} is left as it is
    {%- endcall -%}
{%- endmacro %}


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


{% materialization seed, adapter='spark' %}
    {%- set made_from = local_md5(tojson([
        model.checksum, config.get('column_types'), config.get('delimiter'), model.description
    ])) -%}
    {%- set seed = this.incorporate(type='table') -%}
    {#- Of a big file dbt knows only the path; a later commit is somebody's change of the rows. -#}
    {%- if model.checksum.name != 'path' and is_made_from(made_from)
        and run_query('describe history ' ~ seed ~ ' limit 1').rows[0]['operation']
            == 'SET TBLPROPERTIES' -%}
        {%- do leave_alone(seed) -%}
        {#- dbt wants the result, to show its rows where it is asked to. -#}
        {%- do store_result('agate_table', response='OK', agate_table=load_agate_table()) -%}
        {{ return({'relations': [seed]}) }}
    {%- endif -%}
    {%- set made = dbt.materialization_seed_default() -%}
    {%- do run_query(
        'alter table ' ~ seed ~ " set tblproperties ('lacustre.made_from' = '" ~ made_from ~ "')"
    ) -%}
    {{ return(made) }}
{% endmaterialization %}


{% materialization snapshot, adapter='spark' %}
    {%- set held = load_cached_relation(this) -%}
    {%- if held is not none and not must_be_made()
        and not snapshot_sees_changes(held, model['compiled_code']) -%}
        {%- do leave_alone(held) -%}
        {{ return({'relations': [held]}) }}
    {%- endif -%}
    {{ return(dbt.materialization_snapshot_spark()) }}
{% endmaterialization %}

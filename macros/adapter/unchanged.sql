{#-
    A view, a seed or a snapshot that would be what it is already is left alone, so that a build with
    nothing new writes nothing. `--full-refresh` makes views and seeds anew.

    What a view and a seed were made from is kept with them, as a hash in the table property
    `lacustre.made_from`. For a view that is its text and comments, and the columns that Spark finds
    for the text now: where a type upstream has changed, the view is made anew.
-#}
{% macro left_alone(made_from) -%}
    {#- Whether the relation of this node exists and was made from `made_from`, a hash. -#}
    {%- set held = load_cached_relation(this) -%}
    {%- if held is none or should_full_refresh() -%}
        {%- do return(false) -%}
    {%- endif -%}
    {%- set property = run_query("show tblproperties " ~ held ~ " ('lacustre.made_from')").rows[0] -%}
    {%- if property | last != made_from -%}
        {%- do return(false) -%}
    {%- endif -%}
    {%- do leave_alone(held) -%}
    {%- do return(true) -%}
{%- endmacro %}


{% macro leave_alone(held) -%}
    {#- What dbt asks of a materialization that has nothing to do. -#}
    {%- call noop_statement('main', 'UNCHANGED', 'UNCHANGED', 0) -%}
    -- {{ held }} is left as it is
    {%- endcall -%}
{%- endmacro %}


{% materialization view, adapter='spark' %}
    {%- set columns = get_column_schema_from_query(sql) -%}
    {%- set names = columns | map(attribute='name') | list -%}
    {%- set made_from = local_md5(tojson([
        sql, columns | map(attribute='dtype') | list, model.description,
        get_persist_docs_column_list(model.columns, names), config.get('persist_docs')
    ])) -%}
    {%- set view = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks) }}
    {%- if not left_alone(made_from) -%}
        {%- set held = load_cached_relation(this) -%}
        {%- if held is not none and held.is_table -%}
            {%- do handle_existing_table(should_full_refresh(), held) -%}
        {%- endif -%}
        {%- if config.get('contract').enforced -%}
            {%- set declared = format_columns(
                get_column_schema_from_query(get_empty_schema_sql(model.columns))
            ) -%}
            {%- set found = format_columns(columns) -%}
            {%- if found | sort(attribute='name') != declared | sort(attribute='name') -%}
                {%- do exceptions.raise_contract_error(declared, found) -%}
            {%- endif -%}
        {%- endif -%}
        {%- call statement('main') -%}
            create or replace view {{ view }}
            {% if config.persist_column_docs() -%}
            ({{ get_persist_docs_column_list(model.columns, names) }})
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
        model.checksum.checksum, config.get('column_types'), model.description
    ])) -%}
    {%- if left_alone(made_from) -%}
        {#- dbt tells how many rows it has. -#}
        {%- do store_result('agate_table', response='OK', agate_table=load_agate_table()) -%}
        {{ return({'relations': [this.incorporate(type='table')]}) }}
    {%- endif -%}
    {%- set made = dbt.materialization_seed_default() -%}
    {%- do run_query(
        'alter table ' ~ this ~ " set tblproperties ('lacustre.made_from' = '" ~ made_from ~ "')"
    ) -%}
    {{ return(made) }}
{% endmaterialization %}


{% materialization snapshot, adapter='spark' %}
    {%- set held = load_cached_relation(this) -%}
    {%- if held is not none and not snapshot_sees_changes(held, model['compiled_code']) -%}
        {{ run_hooks(pre_hooks) }}
        {%- do leave_alone(held) -%}
        {{ run_hooks(post_hooks) }}
        {{ return({'relations': [held]}) }}
    {%- endif -%}
    {{ return(dbt.materialization_snapshot_spark()) }}
{% endmaterialization %}

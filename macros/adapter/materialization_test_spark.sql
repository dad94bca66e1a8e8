{#-
    `unique` and `not_null` of one column read the same rows, so one statement answers both; dbt
    still reports each by its name. The first of the two tests runs the statement. All other tests,
    and those with a configuration of their own (`where`, `limit`, `store_failures`), run as in dbt.
-#}
{% materialization test, adapter='spark' %}
    {%- set answers = this_build()['answers'] -%}
    {%- if model.unique_id not in answers -%}
        {%- set other = test_of_same_column() -%}
        {%- if other is none -%}
            {{ return(dbt.materialization_test_default()) }}
        {%- endif -%}
        {%- set tested = graph.nodes[model.attached_node] -%}
        {%- set relation = api.Relation.create(schema=tested.schema, identifier=tested.alias) -%}
        {%- set failures = {
            'unique': 'count_if(tested is not null and records > 1)',
            'not_null': 'coalesce(sum(if(tested is null, records, 0)), 0)'
        } -%}
        {%- set mine, its = failures[model.test_metadata.name], failures[other.test_metadata.name] -%}
        {%- set columns = ['failures', 'should_warn', 'should_error'] -%}
        {%- call statement('main', fetch_result=true) -%}
            select
                {{ mine }} as failures,
                {{ mine }} {{ config.get('warn_if') }} as should_warn,
                {{ mine }} {{ config.get('error_if') }} as should_error,
                {{ its }} as its_failures,
                {{ its }} {{ other.config.warn_if }} as its_should_warn,
                {{ its }} {{ other.config.error_if }} as its_should_error
            from (
                select {{ model.column_name }} as tested, count(*) as records
                from {{ relation }}
                group by {{ model.column_name }}
            )
        {%- endcall -%}
        {%- set answer = load_result('main') -%}
        {%- do answers.update({
            model.unique_id: [answer.response, answer.table.select(columns)],
            other.unique_id: [
                answer.response,
                answer.table.select(['its_failures', 'its_should_warn', 'its_should_error'])
                    .rename(column_names=columns)
            ]
        }) -%}
    {%- endif -%}
    {%- set answer = answers[model.unique_id] -%}
    {%- do store_result('main', response=answer[0], agate_table=answer[1]) -%}
    {{ return({'relations': []}) }}
{% endmaterialization %}


{% macro test_of_same_column() -%}
    {%- if is_plain_key_test(model) and not should_store_failures() -%}
        {%- for id in selected_resources if id.startswith('test.') -%}
            {%- set node = graph.nodes[id] -%}
            {%- if node.attached_node == model.attached_node and is_plain_key_test(node)
                and node.column_name == model.column_name
                and node.test_metadata.name != model.test_metadata.name -%}
                {%- do return(node) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return(none) -%}
{%- endmacro %}


{% macro is_plain_key_test(node) -%}
    {%- set test, plain = node.test_metadata, node.config -%}
    {%- do return(
        test and test.name in ['unique', 'not_null'] and not test.namespace and node.column_name
        and node.attached_node in graph.nodes
        and graph.nodes[node.attached_node].config.materialized != 'ephemeral'
        and not plain.where and not plain.limit and not plain.store_failures
        and plain.fail_calc == 'count(*)'
    ) -%}
{%- endmacro %}

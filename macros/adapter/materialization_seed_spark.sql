{% materialization seed, adapter='spark' %}
    {%- set made_from = local_md5(tojson([
        model.checksum, config.get('column_types'), config.get('delimiter'), model.description
    ])) -%}
    {%- set seed = this.incorporate(type='table') -%}
    {#- For a big file dbt compares only the path, so such a seed is always loaded. If the table's
        last commit is not the one below, somebody changed its rows. -#}
    {%- if model.checksum.name != 'path' and held_made_from() == made_from
        and run_query('describe history ' ~ seed ~ ' limit 1').rows[0]['operation']
            == 'SET TBLPROPERTIES' -%}
        {%- do this_build()['left_alone'].update({model.unique_id: true}) -%}
        {%- do leave_alone(seed) -%}
        {#- dbt needs the result to print its rows, if asked to. -#}
        {%- do store_result('agate_table', response='OK', agate_table=load_agate_table()) -%}
        {{ return({'relations': [seed]}) }}
    {%- endif -%}
    {%- set made = dbt.materialization_seed_default() -%}
    {%- do run_query(
        'alter table ' ~ seed ~ " set tblproperties ('lacustre.made_from' = '" ~ made_from ~ "')"
    ) -%}
    {{ return(made) }}
{% endmaterialization %}

{% macro check_history(table) -%}
    {#- Stops a full refresh of this staging model if the model holds records that raw table `table`
        no longer has (because raw was shortened or restored): the refresh would lose them. The
        variable accept_loss, a list of model names, permits it. -#}
    {%- if not execute or model.resource_type != 'model' or flags.WHICH not in ['build', 'run']
        or not should_full_refresh() or model.name in var('accept_loss') -%}
        {%- do return('') -%}
    {%- endif -%}
    {%- set held = load_relation(this) -%}
    {%- if held is none or not held.is_table -%}
        {%- do return('') -%}
    {%- endif -%}
    {%- set lost = run_query(
        'select topic, count(*) as records, min(batch_id) as first_batch, max(batch_id) as last_batch'
        ~ ' from (select topic, partition, offset, min(batch_id) as batch_id from ' ~ held
        ~ ' group by all) as kept left anti join ' ~ table ~ ' as records_of_raw'
        ~ ' on kept.topic = records_of_raw.topic and kept.partition = records_of_raw.partition'
        ~ ' and kept.offset = records_of_raw.offset group by topic order by topic'
    ).rows -%}
    {%- if lost | length > 0 -%}
        {%- set what = [] -%}
        {%- for row in lost -%}
            {%- do what.append(
                '{:,}'.format(row['records']) ~ ' of topic ' ~ row['topic'] ~ ' (batches '
                ~ row['first_batch'] ~ ' to ' ~ row['last_batch'] ~ ')'
            ) -%}
        {%- endfor -%}
        {%- do exceptions.raise_compiler_error(
            'A full refresh of ' ~ held.render() ~ ' would lose records that ' ~ table
            ~ ' no longer holds, and every row that was made from them: '
            ~ what | join('; ') ~ '. Nothing was changed. Land them again (python -m loader replay), leave'
            ~ ' this model out of the refresh, or accept the loss: dbt build --full-refresh --vars'
            ~ " '{accept_loss: [" ~ model.name ~ "]}'"
        ) -%}
    {%- endif -%}
    {%- do return('') -%}
{%- endmacro %}

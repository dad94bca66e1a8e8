{% macro matomo_new_visits() -%}
    {#- A predicate on int_matomo__current_visits: the rows that this incremental lake model has not
        read; all rows on its first build. `batch_id` decides it, but may be the batch of the
        visit's site. So the predicate also names the batch of the visit itself and the new sites,
        by which Delta skips the files of all other visits. -#}
    {%- set sites, clock = ref('matomo_sites'), ref('stg_matomo__documents') -%}
    {%- if execute and is_incremental() -%}
        {%- set mark = newest_batch(this, clock) -%}
        {%- set new_sites = run_query(
            'select distinct site_id from ' ~ sites ~ ' where batch_id > ' ~ mark
        ).columns[0].values() -%}
    batch_id > {{ mark }} and (visit_batch_id > {{ mark }} or {{ one_of('site_id', new_sites) }})
    {%- else -%}
    true
    {%- endif -%}
{%- endmacro %}

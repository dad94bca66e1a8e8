{% macro load_matomo_keys(path=none) -%}
    {#- `dbt run-operation load_matomo_keys --args '{path: /run/secrets/matomo_keys.json}'`: creates
        the restricted table of salts and keys if it is missing, and replaces its rows by the lines
        of the file. Each line is a JSON object with site_id (absent: all sites), user_id_salt and
        hash_key. Spark itself reads the file, so no salt appears in dbt, a statement, a log or
        Spark's UI. -#}
    {%- set keys = matomo_keys() -%}
    {%- do run_query('create schema if not exists ' ~ keys.schema) -%}
    {#- No column statistics: they would repeat the keys in Delta's log. -#}
    {%- do run_query(
        'create table if not exists ' ~ keys ~ ' (site_id bigint, user_id_salt string, hash_key string)'
        ~ " using delta tblproperties ('delta.dataSkippingNumIndexedCols' = '0')"
    ) -%}
    {%- if path is not none -%}
        {%- do run_query(
            "insert overwrite " ~ keys ~ " select"
            ~ " if(count(*) over (partition by key.site_id) > 1, raise_error('load_matomo_keys: the file"
            ~ " has several lines for ' || coalesce('site ' || key.site_id, 'all sites')), key.site_id),"
            ~ " if(key.user_id_salt is null and key.hash_key is null, raise_error('load_matomo_keys: a"
            ~ " line of the file is not a JSON object with user_id_salt or hash_key'), key.user_id_salt),"
            ~ " if(length(key.hash_key) < 32, raise_error('load_matomo_keys: a hash_key must have 32"
            ~ " characters or more, so that it cannot be guessed'), key.hash_key)"
            ~ " from (select from_json(value,"
            ~ " 'site_id bigint, user_id_salt string, hash_key string') as key"
            ~ " from text.`" ~ path | replace('`', '``') ~ "` where trim(value) != '')"
        ) -%}
    {%- endif -%}
{%- endmacro %}

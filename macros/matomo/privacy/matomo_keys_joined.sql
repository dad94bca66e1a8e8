{% macro matomo_keys_joined() -%}
    {#- Joins that add to each document the keys of its site and those of all sites; empty if no
        policy hashes. -#}
    {%- set hashing = [] -%}
    {%- for each in matomo_policies(var('matomo_privacy', {})) -%}
        {%- if 'hash' in [each.policy.user_id, each.policy.visitor_id, each.policy.order_id] -%}
            {%- do hashing.append(each) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if hashing -%}
        {%- if execute and load_relation(matomo_keys()) is none -%}
            {%- do exceptions.raise_compiler_error(
                'matomo_privacy uses `hash`, but the table ' ~ matomo_keys() ~ ' of keys does not'
                ~ ' exist: run `dbt run-operation load_matomo_keys` as docs/matomo-privacy.md says'
            ) -%}
        {%- endif -%}
        {%- set keys -%}
            (
                select
                    site_id as key_site_id,
                    nullif(max(user_id_salt), '') as user_id_salt,
                    nullif(max(hash_key), '') as hash_key
                from {{ matomo_keys() }}
                group by site_id
            )
        {%- endset -%}
        left join {{ keys }} as site_keys on site_id = site_keys.key_site_id
        left join {{ keys }} as common_keys on common_keys.key_site_id is null
    {%- endif -%}
{%- endmacro %}

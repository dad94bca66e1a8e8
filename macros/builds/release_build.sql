{% macro release_build(build) -%}
    {%- if execute and load_relation(builds_table()) is not none -%}
        {%- do until_done(
            'delete from ' ~ builds_table() ~ " where build = '" ~ build | replace("'", '') ~ "'"
        ) -%}
        {{ log('Released build ' ~ build ~ '.', info=true) }}
    {%- endif -%}
{%- endmacro %}

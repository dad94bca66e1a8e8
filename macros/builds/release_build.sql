{% macro release_build(build) -%}
    {%- if execute and load_relation(builds_table()) is not none -%}
        {%- do until_done(
            'delete from ' ~ builds_table() ~ " where build = '" ~ build | replace("'", '') ~ "'"
        ) -%}
        {{ log('Build ' ~ build ~ ' holds nothing any more.', info=true) }}
    {%- endif -%}
{%- endmacro %}

{% macro newest_of(query) -%}
    {#- The highest `at` that `query` returns, as a timestamp literal with microseconds; 1970-01-01
        if it returns none. -#}
    {%- set newest = none -%}
    {%- if execute -%}
        {%- set newest = run_query(
            "select date_format(max(at), 'yyyy-MM-dd HH:mm:ss.SSSSSS') from (" ~ query ~ ")"
        ).columns[0][0] -%}
    {%- endif -%}
    {%- do return("timestamp '" ~ (newest or '1970-01-01 00:00:00.000000') ~ "'") -%}
{%- endmacro %}

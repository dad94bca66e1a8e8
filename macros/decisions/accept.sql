{% macro accept(version, reason) -%}
    {#- `dbt run-operation accept --args '{version: park_pdc/7, reason: …}'`: a person decides that
        a held version may be used. It is used from the next build on. -#}
    {%- for decided in decide_about_versions('accept', version, reason) -%}
        {%- do log('Accepted ' ~ decided ~ '; it is used from the next build on.', info=true) -%}
    {%- endfor -%}
{%- endmacro %}

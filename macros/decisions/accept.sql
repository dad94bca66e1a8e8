{% macro accept(version, reason) -%}
    {#- `dbt run-operation accept --args '{version: park_pdc/7, reason: …}'`: a person says that a version
        that is held may be used; it counts from the next build on. -#}
    {%- for decided in decide_about_versions('accept', version, reason) -%}
        {%- do log('Accepted ' ~ decided ~ '; it is used from the next build on.', info=true) -%}
    {%- endfor -%}
{%- endmacro %}

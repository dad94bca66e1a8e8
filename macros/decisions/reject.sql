{% macro reject(version, reason) -%}
    {#- `dbt run-operation reject --args '{version: park_pdc/7, reason: …}'`: a person decides that
        a version stays held. It no longer warns. -#}
    {%- for decided in decide_about_versions('reject', version, reason) -%}
        {%- do log('Rejected ' ~ decided ~ '; it stays held and no longer warns.', info=true) -%}
    {%- endfor -%}
{%- endmacro %}

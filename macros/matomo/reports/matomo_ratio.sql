{% macro matomo_ratio(part, whole, decimals) -%}
    {#- part / whole, rounded to `decimals`; 0 if whole is 0 or null. -#}
    coalesce(round(cast({{ part }} as double) / nullif({{ whole }}, 0), {{ decimals }}), 0)
{%- endmacro %}

{% macro matomo_pages_per_search() -%}
    {#- Searches per visit that searched, for `columns` of matomo_pages_by. -#}
    round(
        count_if(fact = 'hit') / nullif(count(distinct if(fact = 'hit', visit_key, null)), 0), 1
    )
{%- endmacro %}

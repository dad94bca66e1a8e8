{% macro park_date(text) -%}
    {#- A date of the park: yyyyMMdd in files, yyyy-MM-dd (possibly with a time) from databases;
        null if it has neither form. -#}
    cast(coalesce(
        {{ timestamp_or_null(text, 'yyyyMMdd') }},
        {{ timestamp_or_null('left(' ~ text ~ ', 10)', 'yyyy-MM-dd') }}
    ) as date)
{%- endmacro %}

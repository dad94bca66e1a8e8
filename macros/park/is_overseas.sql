{% macro is_overseas(commune_code) -%}
    {#- A predicate on the INSEE code of a commune, text: it is overseas, so its first three digits
        are those of its département or collectivity. -#}
    {{ commune_code }} rlike '^9[78]'
{%- endmacro %}

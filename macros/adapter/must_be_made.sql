{% macro must_be_made() -%}
    {#- Whether this node has grants, or hooks, whose effect is not known. -#}
    {%- do return(true if pre_hooks or post_hooks or config.get('grants') else false) -%}
{%- endmacro %}

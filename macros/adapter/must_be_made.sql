{% macro must_be_made() -%}
    {#- Whether this node has hooks, which may do anything, or grants. -#}
    {%- do return(true if pre_hooks or post_hooks or config.get('grants') else false) -%}
{%- endmacro %}

{#-
    A view, a seed or a snapshot that would be what it is already is left alone. `--full-refresh` makes
    views and seeds anew; what has hooks or grants is made as dbt makes it.

    What a view and a seed were made from is kept with them, as a hash in the table property
    `lacustre.made_from`. For a view that is its text, comments and contract, and the types that Spark
    finds for the text now: a view that stayed while a type upstream changed would cast to the old one.
-#}
{% macro is_made_from(made_from) -%}
    {#- Whether the relation of this node exists and was made from `made_from`, a hash. -#}
    {%- set held = load_cached_relation(this) -%}
    {%- if held is none or should_full_refresh() or must_be_made() -%}
        {%- do return(false) -%}
    {%- endif -%}
    {%- set property = run_query("show tblproperties " ~ held ~ " ('lacustre.made_from')").rows[0] -%}
    {%- do return(property | last == made_from) -%}
{%- endmacro %}

{#-
    A view, a seed or a snapshot that would be what it is already is left alone. `--full-refresh` makes
    views and seeds anew; what has hooks or grants is made as dbt makes it.

    What a view and a seed were made from is kept with them, as a hash in the table property
    `lacustre.made_from`. For a view these are two: of its text, comments and contract, and of the types
    that Spark finds for the text: a view that stayed while a type upstream changed would cast to the
    old one. Spark is asked for them (`describe query`, which takes longer than all else) only where
    something upstream may have other columns than before (`has_columns_as_before`).
-#}
{% macro held_made_from() -%}
    {#- What the relation of this node was made from, a hash; empty where it is to be made anew. -#}
    {%- set held = load_cached_relation(this) -%}
    {%- if held is none or should_full_refresh() or must_be_made() -%}
        {%- do return('') -%}
    {%- endif -%}
    {%- do return(
        run_query("show tblproperties " ~ held ~ " ('lacustre.made_from')").rows[0] | last
    ) -%}
{%- endmacro %}

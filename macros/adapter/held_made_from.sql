{#-
    A view, a seed or a snapshot that would not change is left alone. `--full-refresh` creates views
    and seeds again. A node with hooks or grants is created as dbt does it.

    The table property `lacustre.made_from` of a view or seed is a hash of everything that it was
    created from. A view has two hashes: one of its text, comments and contract, and one of the
    column types that Spark finds for the text. Without the second, a view whose upstream types
    changed would cast to the old types. `describe query` returns the types and takes longer than
    everything else, so it runs only if something upstream may have other columns than before
    (`has_columns_as_before`).
-#}
{% macro held_made_from() -%}
    {#- The hash in the property of this node's relation; empty if it must be created again. -#}
    {%- set held = load_cached_relation(this) -%}
    {%- if held is none or should_full_refresh() or must_be_made() -%}
        {%- do return('') -%}
    {%- endif -%}
    {%- do return(
        run_query("show tblproperties " ~ held ~ " ('lacustre.made_from')").rows[0] | last
    ) -%}
{%- endmacro %}

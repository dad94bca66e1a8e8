{% macro versions_decided(decision) -%}
    {#- The versions whose newest decision is `decision`, with its time, as a relation for a `from`.
        -#}
    (
        select version, max(decided_at) as decided_at
        from {{ decisions() }} as decisions
        group by version
        having max_by(decision, decided_at) = {{ text_literal(decision) }}
    )
{%- endmacro %}

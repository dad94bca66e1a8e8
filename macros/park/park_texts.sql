{% macro park_texts(name, origin, rows) -%}
    {%- set table = park_tables()[name] -%}
    {%- set columns, codes = table.columns, table.codes or {} -%}
    {%- set corrupt = 'corrupt_record' if 'corrupt_record' in origin.columns else 'cast(null as string)' -%}
    select
        batch_id,
        {{ corrupt }} as corrupt_record,
        {%- for column in columns + (table.optional or []) %}
        {%- set text = "nullif(trim(cast(" ~ column ~ " as string)), '')" %}
        {%- if column not in origin.columns %}
        cast(null as string) as {{ column }},
        {%- elif column in codes %}
        coalesce({{ insee_code(codes[column], text) }}, {{ text }}) as {{ column }},
        {%- else %}
        {{ text }} as {{ column }},
        {%- endif %}
        {%- endfor %}
        coalesce(
            {{ corrupt }},
            concat_ws(',' {%- for column in columns -%}
                , coalesce({{ 'cast(' ~ column ~ ' as string)' if column in origin.columns else 'null' }}, '')
            {%- endfor %})
        ) as line
    from {{ rows }} as rows_of_version
{%- endmacro %}

{% macro park_rows(name) -%}
    {#- The current version of park table `name`, by stg_park__versions: `batch_id`, its columns as
        text, the line, and the `reason` why a row cannot be used; null for a usable row. -#}
    {%- set table = park_tables()[name] -%}
    (
        select
            batch_id,
            {%- for column in table.columns %}
            {{ column }},
            {%- endfor %}
            line,
            case
                when corrupt_record is not null then 'wrong_field_count'
                {%- for column in table.numbers or [] %}
                when try_cast({{ column }} as bigint) is null then 'wrong_{{ column }}'
                {%- endfor %}
                {%- for column in table.texts or [] %}
                when {{ column }} is null then 'no_{{ column }}'
                {%- endfor %}
                {%- for column, kind in (table.codes or {}).items() if column in (table.texts or []) %}
                when {{ insee_code(kind, column) }} is null then 'wrong_{{ column }}'
                {%- endfor %}
                {%- if table.interval is defined %}
                {%- set first, last = table.interval %}
                when {{ park_date(first) }} is null then 'wrong_{{ first }}'
                when {{ last }} is not null and {{ park_date(last) }} is null then 'wrong_{{ last }}'
                when {{ park_date(last) }} < {{ park_date(first) }} then 'ends_before_it_begins'
                {%- endif %}
                when row_number() over (
                    partition by corrupt_record
                    {%- for column in table.key -%}
                        , {% if column in (table.numbers or []) -%} try_cast({{ column }} as bigint)
                        {%- elif column in (table.interval or []) -%} {{ park_date(column) }}
                        {%- else -%} {{ column }} {%- endif -%}
                    {%- endfor %}
                    order by {{ table.first ~ ', ' if table.first }}{{ table.columns | join(', ') }}
                ) > 1 then 'repeated'
            end as reason
        from (
            {%- for origin in park_origins(name) %}
            {{ 'union all' if not loop.first }}
            {{ park_texts(name, origin, '(' ~ park_current_rows(name, origin) ~ ')') }}
            {%- endfor %}
        ) as rows_of_import
    )
{%- endmacro %}

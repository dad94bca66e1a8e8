{% macro park_version_measure(name, origin, version, base) -%}
    {%- set table = park_tables()[name] -%}
    {%- set parts, sides = [], [] -%}
    {%- for column in table.identity or table.key -%}
        {%- if column in (table.numbers or []) -%}
            {%- do parts.append('try_cast(' ~ column ~ ' as bigint)') -%}
        {%- elif column in (table.interval or []) -%}
            {%- do parts.append(park_date(column)) -%}
        {%- else -%}
            {%- do parts.append(column) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for side in [{'origin': origin, 'version': version}, base] if side is not none -%}
        {%- set rows = park_version_rows(
            name, side.origin, side.version.batch_id, side.version.mode == 'full'
        ) -%}
        {%- do sides.append(
            'select *, struct(' ~ parts | join(', ') ~ ') as row_key from ('
            ~ park_texts(name, side.origin, '(' ~ rows ~ ')') ~ ') as texts'
            ~ ' where corrupt_record is null and ' ~ parts | join(' is not null and ') ~ ' is not null'
        ) -%}
    {%- endfor -%}
    {%- set filled = [] -%}
    {%- for column in table.columns -%}
        {%- do filled.append("'" ~ column ~ "', count(fresh." ~ column ~ ")") -%}
    {%- endfor -%}
    {%- set row = run_query(
        'select count(distinct fresh.row_key), '
        ~ ('count(distinct base.row_key)' if base is not none else 'cast(null as bigint)')
        ~ ', to_json(named_struct(' ~ filled | join(', ') ~ '))'
        ~ (', (select count(*) from (' ~ sides[1] ~ ') as keys)' if base is not none else ', 0')
        ~ ' from (' ~ sides[0] ~ ') as fresh'
        ~ (' left join (select distinct row_key from (' ~ sides[1] ~ ') as keys) as base'
            ~ ' on fresh.row_key = base.row_key' if base is not none else '')
    ).rows[0] -%}
    {%- set kept = none if base is none else row[1] | int -%}
    {%- if base is not none and row[3] | int == 0 -%}
        {#- Raw no longer has the rows of that version, so only the numbers of keys are compared.
            -#}
        {%- set kept = [row[0] | int, base.measure['keys']] | min -%}
    {%- endif -%}
    {%- do return({'keys': row[0] | int, 'kept': kept, 'filled': row[2]}) -%}
{%- endmacro %}

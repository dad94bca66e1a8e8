{% macro park_version_fault(name, fresh, base) -%}
    {%- set table = park_tables()[name] -%}
    {%- set now, before = fromjson(fresh.filled), fromjson(base.filled) -%}
    {%- set found = namespace(fault=none) -%}
    {%- if fresh['keys'] == 0 and base['keys'] > 0 -%}
        {%- do return('no_rows_left') -%}
    {%- endif -%}
    {%- for column in table.columns if found.fault is none -%}
        {%- set had, has = before[column] or 0, now[column] or 0 -%}
        {%- if column == (table.interval or [none]) | last -%}
            {#- Installations may all be without an end, so only the loss of all of several ends
                counts. -#}
            {%- if has == 0 and had > 1 -%}{%- set found.fault = 'lost_' ~ column -%}{%- endif -%}
        {%- elif column not in (table.identity or table.key) and is_loss(had, has)
            and not is_loss(base['keys'], fresh['keys']) -%}
            {%- set found.fault = 'lost_' ~ column -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if is_loss(base['keys'], fresh.kept) -%}
        {%- do return('lost_keys') -%}
    {%- endif -%}
    {%- do return(found.fault) -%}
{%- endmacro %}


{% macro is_loss(before, left) -%}
    {%- set lost = before - left -%}
    {%- do return(lost > 0 and (
        lost * 2 >= before
        or (lost * 100 > before * var('held_when_lost_percent') | float
            and lost > var('held_when_lost_more_than') | int)
    )) -%}
{%- endmacro %}

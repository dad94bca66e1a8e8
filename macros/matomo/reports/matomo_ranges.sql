{% macro matomo_ranges(value, bounds, unit, before=[]) -%}
    {#- Ranges of whole numbers with Matomo's labels, such as `8-14 days`; the last range has no
        end. value: an SQL expression; bounds: first number of each range; unit: its name in the
        singular; before: ranges that come before these. -#}
    {%- set ranges = [] + before -%}
    {%- for first in bounds -%}
        {%- set several = unit ~ 's' -%}
        {%- if loop.last -%}
            {%- do ranges.append([first ~ '+ ' ~ several, value ~ ' >= ' ~ first]) -%}
        {%- else -%}
            {%- set last = bounds[loop.index] - 1 -%}
            {%- if last == first -%}
                {%- set name = first ~ ' ' ~ (unit if first == 1 else several) -%}
            {%- else -%}
                {%- set name = first ~ '-' ~ last ~ ' ' ~ several -%}
            {%- endif -%}
            {%- do ranges.append([name, value ~ ' between ' ~ first ~ ' and ' ~ last]) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(ranges) -%}
{%- endmacro %}

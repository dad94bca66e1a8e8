{% macro matomo_hours() -%}
    {#- SQL literals of the hours of a day in Matomo's labels. -#}
    {%- set hours = [] -%}
    {%- for hour in range(24) -%}
        {%- do hours.append("'" ~ '%02d' % hour ~ "'") -%}
    {%- endfor -%}
    {%- do return(hours) -%}
{%- endmacro %}

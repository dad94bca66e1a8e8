{#-
    Codes of INSEE have a form. What a spreadsheet took from them (the zero in front, capitals, spaces) is
    put back; what has no such form then is no code.
-#}
{% macro commune_code(text) -%}
    {#- The code of a commune in its form, five characters (01004, 2A004, 97105); null where it is none.
        text: an SQL expression. -#}
    {%- set code = 'upper(trim(' ~ text ~ '))' -%}
    nullif(
        regexp_extract(
            if({{ code }} rlike '^[1-9][0-9]{3}$', '0' || {{ code }}, {{ code }}),
            '^(0[1-9]|[1-8][0-9]|9[0-5]|2[AB]|9[78])[0-9]{3}$', 0
        ),
        ''
    )
{%- endmacro %}


{% macro departement_code(text) -%}
    {#- The code of a département in its form (01, 2A, 75, 971); 97 as the park's files have it for all
        overseas; null where it is none. 20A and 20B are 2A and 2B. text: an SQL expression. -#}
    {%- set code = 'upper(trim(' ~ text ~ '))' -%}
    nullif(
        regexp_extract(
            case
                when {{ code }} rlike '^[1-9]$' then '0' || {{ code }}
                when {{ code }} in ('20A', '20B') then '2' || right({{ code }}, 1)
                else {{ code }}
            end,
            '^(0[1-9]|[1-8][0-9]|9[0-5]|2[AB]|97|9[78][0-9])$', 0
        ),
        ''
    )
{%- endmacro %}

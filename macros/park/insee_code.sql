{% macro insee_code(kind, text) -%}
    {#- An INSEE code in its official form. It restores what spreadsheets change: a lost leading
        zero, lower case, spaces. null if the result is not an INSEE code. kind: commune (01004,
        2A004, 97105) or departement (01, 2A, 75, 971; also 97, which the park's files write for
        every overseas département; 20A and 20B become 2A and 2B). text: an SQL expression. -#}
    {%- set code = 'upper(trim(' ~ text ~ '))' -%}
    {%- if kind == 'commune' -%}
    nullif(
        regexp_extract(
            if({{ code }} rlike '^[1-9][0-9]{3}$', '0' || {{ code }}, {{ code }}),
            '^(0[1-9]|[1-8][0-9]|9[0-5]|2[AB]|9[78])[0-9]{3}\\z', 0
        ),
        ''
    )
    {%- else -%}
    nullif(
        regexp_extract(
            case
                when {{ code }} rlike '^[1-9]$' then '0' || {{ code }}
                when {{ code }} in ('20A', '20B') then '2' || right({{ code }}, 1)
                else {{ code }}
            end,
            '^(0[1-9]|[1-8][0-9]|9[0-5]|2[AB]|97|9[78][0-9])\\z', 0
        ),
        ''
    )
    {%- endif -%}
{%- endmacro %}

{% macro matomo_decoded(text) -%}
    {#- A label as Matomo shows it: percent codes (and +) decoded; a percent sign that begins no
        code stays. text: an SQL expression. -#}
    if(
        {{ text }} rlike '[%+]',
        coalesce(
            try_url_decode(regexp_replace({{ text }}, '%(?![0-9A-Fa-f]{2})', '%25')), {{ text }}
        ),
        {{ text }}
    )
{%- endmacro %}

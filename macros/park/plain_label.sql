{% macro plain_label(text) -%}
    {#- A label as registers without accents write it: capitals, one space for spaces and hyphens.
        text: an SQL expression. -#}
    regexp_replace(
        translate(upper(trim({{ text }})), 'ÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŸ’-', 'AAACEEEEIIOOUUUY'' '), ' +', ' '
    )
{%- endmacro %}

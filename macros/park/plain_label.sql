{% macro plain_label(text) -%}
    {#- A label in upper case without accents, with one space instead of spaces and hyphens. text:
        an SQL expression. -#}
    regexp_replace(
        translate(upper(trim({{ text }})), 'ÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŸ’-', 'AAACEEEEIIOOUUUY'' '), ' +', ' '
    )
{%- endmacro %}

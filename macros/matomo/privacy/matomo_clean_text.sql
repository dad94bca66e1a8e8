{% macro matomo_clean_text(text, policy, is_url) -%}
    {#- A text without the query parameters and the patterns that `policy` hides. -#}
    {%- set query = policy.query_parameters -%}
    {%- if policy.campaigns == 'drop' and 'allow' not in query -%}
        {%- set query = {'deny': (query.get('deny') or []) + [
            'utm_*', 'mtm_*', 'matomo_*', 'pk_*', 'piwik_*', 'gclid', 'gbraid', 'wbraid', 'dclid',
            'fbclid', 'msclkid', 'yclid', 'ttclid', 'twclid', 'li_fat_id'
        ]} -%}
    {%- endif -%}
    {%- if 'allow' in query -%}
        {%- set text = matomo_filtered_query(text, query.allow or [], 'allow', is_url) -%}
    {%- elif query.get('deny') -%}
        {%- set text = matomo_filtered_query(text, query.deny, 'deny', is_url) -%}
    {%- endif -%}
    {{ matomo_without_patterns(text, policy.patterns) }}
{%- endmacro %}

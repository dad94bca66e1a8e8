{% macro matomo_extra_fields() -%}
    {#- A regular expression for the names of the optional plugins' fields that the variable
        `matomo_extras` selects for `extras`: marketing_campaigns, provider, forms, session_replay,
        experiments. -#}
    {%- set groups = {
        'marketing_campaigns':
            'campaign(Id|Name|Keyword|Source|Medium|Content|Group|Placement)',
        'provider': 'provider(Name|Url)?',
        'forms': 'formConversions',
        'session_replay': 'sessionReplayUrl',
        'experiments': 'experiments'
    } -%}
    {%- set wanted = [] -%}
    {%- for name in var('matomo_extras', groups.keys() | list) -%}
        {%- if name not in groups -%}
            {%- do exceptions.raise_compiler_error(
                "matomo_extras: there is no '" ~ name ~ "'; known are " ~ groups.keys() | join(', ')
            ) -%}
        {%- endif -%}
        {%- do wanted.append(groups[name]) -%}
    {%- endfor -%}
    ^({{ wanted | join('|') if wanted else 'none' }})$
{%- endmacro %}

{% macro matomo_extra_fields() -%}
    {#- A regular expression of the fields of optional plugins that the variable `matomo_extras`
        lets into `extras`: marketing_campaigns, provider, forms, session_replay, experiments. -#}
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


{% macro matomo_coordinate(text) -%}
    {#- A latitude or longitude in degrees, rounded to `matomo_coordinate_decimals` (2, about a
        kilometre); null for -1, which keeps none, and
        where it is no number of degrees. text: an SQL expression. -#}
    {%- set decimals = var('matomo_coordinate_decimals', 6) | int -%}
    {%- if decimals < 0 -%}
        cast(null as double)
    {%- else -%}
        if(
            abs(try_cast({{ text }} as double)) <= 180,
            round(try_cast({{ text }} as double), {{ decimals }}),
            null
        )
    {%- endif -%}
{%- endmacro %}

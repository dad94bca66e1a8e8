{#-
    Anonymisation of Matomo's visits by the variable `matomo_privacy` (rules:
    docs/matomo-privacy.md). `stg_matomo__documents` calls `matomo_anonymised` when it stores a
    document, so no table below raw holds hidden values. Without the variable the macros add
    nothing.

    A policy is a dict with a value for each of `matomo_privacy_options`. Sites with the same policy
    share one expression, so the compiled SQL grows with the number of policies, not of sites.
-#}
{% macro matomo_anonymised(column) -%}
    {#- `column` of a document (fields or actions), anonymised by the policy of its site. -#}
    {%- set policies = matomo_policies(var('matomo_privacy', {})) -%}
    {%- if policies | length == 1 -%}
        {{ matomo_anonymised_by(policies[0].policy, column) }}
    {%- else -%}
        case
            {%- for each in policies[1:] %}
            when site_id in ({{ each.sites | join(', ') }})
                then {{ matomo_anonymised_by(each.policy, column) }}
            {%- endfor %}
            else {{ matomo_anonymised_by(policies[0].policy, column) }}
        end
    {%- endif -%}
{%- endmacro %}


{% macro matomo_hides_nothing(policy) -%}
    {#- Whether every option of `policy` has the value that hides nothing. -#}
    {%- for option, facts in matomo_privacy_options().items() -%}
        {#- The default of this option is a variable, which may hide something. -#}
        {%- set nothing = 'all' if option == 'coordinate_decimals' else facts.default -%}
        {%- if policy[option] != nothing -%}
            {%- do return(false) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(true) -%}
{%- endmacro %}


{% macro matomo_anonymised_by(policy, column) -%}
    {#- `column` (fields or actions), anonymised by one policy. Catalogues and reports contain
        nothing about a visitor, so only their unknown fields are dropped. -#}
    {%- if matomo_hides_nothing(policy) -%}
        {{ column }}
    {%- elif column == 'actions' -%}
        transform(actions, action -> {{ matomo_anonymised_map(policy, 'action') }})
    {%- else -%}
        {%- set known = {
            'sites': 'idSite|idsite|name|main_url|timezone|currency|ecommerce',
            'goals': 'idSite|idsite|idgoal|name|description|match_attribute|pattern|pattern_type|'
                ~ 'case_sensitive|allow_multiple|revenue|event_value_as_revenue|deleted',
            'custom_dimensions': 'idSite|idsite|idcustomdimension|name|index|scope|active|'
                ~ 'case_sensitive|extractions',
            'report': 'idSite|idsite|date|period|(nb|bounce|max|sum|avg|revenue|conversion).*'
        } -%}
        case
            when message_type = 'visit' then {{ matomo_anonymised_map(policy, 'fields') }}
            {%- if policy.unknown_fields == 'drop' %}
            {%- for type, names in known.items() %}
            when message_type = '{{ type }}'
                then map_filter(fields, (name, text) -> name rlike '^({{ names }})$')
            {%- endfor %}
            {%- endif %}
            else fields
        end
    {%- endif -%}
{%- endmacro %}


{% macro matomo_anonymised_map(policy, map) -%}
    {#- A visit's fields or one of its actions (`map`: fields or action), anonymised by `policy`:
        some fields are dropped, then others are changed. -#}
    {#- Titles of actions repeat the URL, the page title or the event; no model reads them. -#}
    {%- set dropped = ['title', 'subtitle'] + policy.drop_fields -%}
    {%- if policy.user_id == 'drop' -%}{%- do dropped.append('userId') -%}{%- endif -%}
    {%- if policy.visitor_id == 'drop' -%}
        {%- do dropped.extend(['visitorId', 'fingerprint']) -%}
    {%- endif -%}
    {%- if policy.order_id == 'drop' -%}{%- do dropped.append('orderId') -%}{%- endif -%}
    {%- if policy.resolution == 'drop' -%}
        {%- do dropped.extend(['resolution', 'plugins', 'pluginsIcons']) -%}
    {%- endif -%}
    {%- if policy.coordinate_decimals | string == '-1' -%}
        {%- do dropped.extend(['latitude', 'longitude']) -%}
    {%- endif -%}
    {%- if policy.campaigns == 'drop' -%}{%- do dropped.append('campaign.*') -%}{%- endif -%}
    {%- if policy.unknown_fields == 'drop' -%}
        {%- do dropped.append('.*(Pretty|Icons?|SVG|Flag|icon|logo)') -%}
    {%- endif -%}
    transform_values(
        map_filter(
            {{ map }},
            (name, text) -> not name rlike '^({{ dropped | unique | join('|') }})$'
            {%- if policy.unknown_fields == 'drop' %}
            and {{ matomo_is_known_field("visit" if map == "fields" else "action", "name") }}
            {%- endif %}
        ),
        (name, text) -> case
            when coalesce(text, '') = '' then text
            {%- if policy.ip_mask_bytes | int > 0 %}
            when name = 'visitIp' then {{ matomo_masked_ip('text', policy.ip_mask_bytes | int) }}
            {%- endif %}
            {%- if policy.user_id == 'hash' %}
            when name = 'userId'
                then {{ matomo_hashed_user_id('text', matomo_key('user_id_salt')) }}
            {%- endif %}
            {%- if policy.visitor_id == 'hash' %}
            when name in ('visitorId', 'fingerprint')
                -- Matomo sends false if it hides them.
                then if(text = 'false', text, {{ matomo_keyed_hash('text', policy, 16) }})
            {%- endif %}
            {%- if policy.order_id == 'hash' %}
            when name = 'orderId' then {{ matomo_keyed_hash('text', policy, 40) }}
            {%- endif %}
            {%- if policy.coordinate_decimals | string not in ['all', '-1'] %}
            when name in ('latitude', 'longitude') then cast(
                round(try_cast(text as double), {{ policy.coordinate_decimals | int }}) as string
            )
            {%- endif %}
            when name in ('idVisit', 'visitIp', 'userId', 'visitorId', 'fingerprint', 'orderId')
                then text
            {%- if policy.patterns or policy.query_parameters or policy.campaigns == 'drop'
                or policy.referrer != 'none' %}
            when length(text) > {{ matomo_longest_text() }} then 'hidden-long-text'
            {%- endif %}
            {%- if policy.referrer != 'none' %}
            when name = 'referrerKeyword' and coalesce({{ map }}['referrerType'], '') != 'campaign'
                then ''
            {%- endif %}
            {%- if policy.referrer == 'exclude_all' %}
            when name = 'referrerName'
                and coalesce({{ map }}['referrerType'], '') not in ('campaign', 'search', 'social')
                then ''
            {%- endif %}
            {%- if policy.campaigns == 'drop' %}
            when name in ('referrerName', 'referrerKeyword') and {{ map }}['referrerType'] = 'campaign'
                then ''
            {%- endif %}
            {%- if policy.referrer != 'none' %}
            when name = 'referrerUrl' then {{ matomo_clean_text(
                matomo_anonymised_referrer_url('text', policy.referrer), policy, true
            ) }}
            {%- endif %}
            when name rlike '(?i)url$' or name = 'contentTarget' or text rlike '^(https?:)?//'
                then {{ matomo_clean_text('text', policy, true) }}
            else {{ matomo_clean_text('text', policy, false) }}
        end
    )
{%- endmacro %}


{% macro matomo_longest_text() -%}
    {#- Maximum number of characters of a text that is searched for what a policy hides. A longer
        text is replaced as a whole, because its content is unknown. Matomo keeps at most 4,096
        characters of a URL or title; lists of items are longer. -#}
    {%- do return(65536) -%}
{%- endmacro %}

{#-
    Anonymisation of Matomo's visits by the variable `matomo_privacy`, whose rules are in
    docs/matomo-privacy.md. `stg_matomo__documents` calls `matomo_anonymised` where it stores a document,
    so no table below raw ever holds what is hidden. Without the variable the macros add nothing.

    A policy is a dict with a value for each of `matomo_privacy_options`. Sites with the same policy share
    one expression, so the compiled SQL grows with the policies, not with the sites.
-#}
{% macro matomo_privacy_options() -%}
    {#- Every option of a policy: its default, and what it may be (a list of values, or a kind). -#}
    {%- do return({
        'ip_mask_bytes': {'default': 0, 'allowed': [0, 1, 2, 3, 4]},
        'user_id': {'default': 'keep', 'allowed': ['keep', 'hash', 'drop']},
        'visitor_id': {'default': 'keep', 'allowed': ['keep', 'hash', 'drop']},
        'hash_rotation': {'default': 'none', 'allowed': ['none', 'month', 'year']},
        'order_id': {'default': 'keep', 'allowed': ['keep', 'hash', 'drop']},
        'referrer': {
            'default': 'none',
            'allowed': ['none', 'exclude_query', 'exclude_path', 'exclude_all']
        },
        'campaigns': {'default': 'keep', 'allowed': ['keep', 'drop']},
        'query_parameters': {'default': {}, 'allowed': 'allow or deny'},
        'patterns': {'default': [], 'allowed': 'patterns'},
        'coordinate_decimals': {
            'default': matomo_coordinate_decimals(),
            'allowed': ['all', -1, 0, 1, 2, 3, 4, 5, 6]
        },
        'resolution': {'default': 'keep', 'allowed': ['keep', 'drop']},
        'unknown_fields': {'default': 'keep', 'allowed': ['keep', 'drop']},
        'drop_fields': {'default': [], 'allowed': 'names'}
    }) -%}
{%- endmacro %}


{% macro matomo_privacy_profiles() -%}
    {#- What `profile` sets at once. -#}
    {%- do return({
        'none': {},
        'cnil_exempt': {
            'ip_mask_bytes': 2,
            'user_id': 'hash',
            'visitor_id': 'hash',
            'order_id': 'hash',
            'referrer': 'exclude_path',
            'campaigns': 'drop',
            'query_parameters': {'allow': []},
            'patterns': ['email', 'phone'],
            'coordinate_decimals': -1,
            'resolution': 'drop',
            'unknown_fields': 'drop',
            'drop_fields': [
                'provider', 'providerName', 'providerUrl', 'sessionReplayUrl', 'formConversions'
            ]
        }
    }) -%}
{%- endmacro %}


{% macro matomo_privacy_problem(privacy) -%}
    {#- A sentence about the first thing in `privacy`, the variable, that is not what it should be; none
        where all is well. -#}
    {%- set options = matomo_privacy_options() -%}
    {%- set known = ['profile'] + options.keys() | list -%}
    {%- if privacy is not mapping -%}
        {%- do return("matomo_privacy must have 'default', 'sites' or both.") -%}
    {%- endif -%}
    {%- for key in privacy if key not in ['default', 'sites'] -%}
        {%- do return("matomo_privacy: there is no '" ~ key ~ "'; it has 'default' and 'sites'"
            ~ (", and '" ~ key ~ "' belongs below one of them." if key in known else '.')) -%}
    {%- endfor -%}
    {%- set policies = [('default', privacy.get('default') or {})] -%}
    {%- for site, policy in (privacy.get('sites') or {}).items() -%}
        {%- if not modules.re.match('[0-9]+$', site | string) -%}
            {%- do return("matomo_privacy.sites: '" ~ site ~ "' is no id of a site.") -%}
        {%- endif -%}
        {%- do policies.append(('sites.' ~ site, policy or {})) -%}
    {%- endfor -%}
    {%- for place, policy in policies -%}
        {%- if policy is not mapping -%}
            {%- do return('matomo_privacy.' ~ place ~ ' must hold options with their values.') -%}
        {%- endif -%}
        {%- for option, value in policy.items() -%}
            {%- set where = 'matomo_privacy.' ~ place ~ '.' ~ option -%}
            {%- if option not in known -%}
                {%- do return('matomo_privacy.' ~ place ~ ": there is no '" ~ option
                    ~ "'; the nearest is '" ~ matomo_nearest(option, known) ~ "'.") -%}
            {%- endif -%}
            {%- set allowed = matomo_privacy_profiles().keys() | list
                if option == 'profile' else options[option].allowed -%}
            {%- if allowed is not string -%}
                {#- YAML reads `1.0` and `true` as equal to 1, and 1 as no text. -#}
                {%- if value | string not in allowed | map('string') | list -%}
                    {%- do return(where ~ ": there is no '" ~ value ~ "'; the nearest is '"
                        ~ matomo_nearest(value, allowed) ~ "' of " ~ allowed | join(', ') ~ '.') -%}
                {%- endif -%}
            {%- elif option == 'query_parameters' -%}
                {%- if value is not mapping or value | length != 1
                    or value.keys() | first not in ['allow', 'deny'] -%}
                    {%- do return(where ~ " must be {allow: [names]} or {deny: [names]}.") -%}
                {%- endif -%}
                {%- for name in value.values() | first or [] -%}
                    {%- if not modules.re.match('[A-Za-z0-9_.*~-]+$', name | string) -%}
                        {%- do return(where ~ ": '" ~ name ~ "' is no name of a query parameter "
                            ~ '(letters, digits, _ . ~ -, and * for any).') -%}
                    {%- endif -%}
                {%- endfor -%}
            {%- elif value is string or value is mapping or value is not iterable -%}
                {%- do return(where ~ ' must be a list.') -%}
            {%- else -%}
                {%- for each in value -%}
                    {%- if option == 'patterns' and each is mapping -%}
                        {%- if each.keys() | list != ['regex'] -%}
                            {%- do return(where ~ ': a pattern of your own is {regex: …}.') -%}
                        {%- endif -%}
                        {%- set problem = matomo_regex_problem(each.regex | string) -%}
                        {%- if problem is not none -%}
                            {%- do return(where ~ ": '" ~ each.regex ~ "' " ~ problem) -%}
                        {%- endif -%}
                    {%- elif option == 'patterns' and each not in ['email', 'phone'] -%}
                        {%- do return(where ~ ": there is no '" ~ each ~ "'; the nearest is '"
                            ~ matomo_nearest(each, ['email', 'phone'])
                            ~ "'; a pattern of your own is {regex: …}.") -%}
                    {%- elif option == 'drop_fields'
                        and not modules.re.match('[A-Za-z0-9_]+$', each | string) -%}
                        {%- do return(where ~ ": '" ~ each ~ "' is no name of a field.") -%}
                    {%- endif -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do return(none) -%}
{%- endmacro %}


{% macro matomo_regex_problem(regex) -%}
    {#- What is wrong with a regular expression of a user's, to be put behind it; none where nothing is. A
        group that may repeat without end, or within another one that repeats, makes Java recurse for
        each turn: a text of some kilobytes overflows the stack and ends the Spark server. A group
        with a possessive repetition, (…)++, does not. -#}
    {%- set groups = [] -%}
    {%- set state = namespace(at=0, in_class=0) -%}
    {%- for _ in regex if state.at < regex | length -%}
        {%- set letter = regex[state.at] -%}
        {%- if letter == '\\' and regex[state.at + 1:state.at + 2] == 'Q' -%}
            {%- do return('quotes with \\Q, which is not supported here: write [.] for a dot.') -%}
        {%- elif letter == '\\' -%}
            {%- set state.at = state.at + 1 -%}
        {%- elif state.in_class -%}
            {%- set state.in_class = state.in_class + {'[': 1, ']': -1}.get(letter, 0) -%}
        {%- elif letter == '[' -%}
            {%- set state.in_class = 1 -%}
            {#- A bracket that closes right away is a letter of the class. -#}
            {%- if regex[state.at + 1:state.at + 2] == ']' -%}
                {%- set state.at = state.at + 1 -%}
            {%- elif regex[state.at + 1:state.at + 3] == '^]' -%}
                {%- set state.at = state.at + 2 -%}
            {%- endif -%}
        {%- elif letter == '(' -%}
            {%- do groups.append(namespace(repeats=false)) -%}
        {%- elif letter == ')' and groups -%}
            {%- set group = groups.pop() -%}
            {%- set counted = modules.re.match(
                '(?:([*+])|[{]([0-9]+)(,?)([0-9]*)[}])([+]?)', regex[state.at + 1:]
            ) -%}
            {%- if counted and counted.group(5) != '+' -%}
                {%- set most = counted.group(4) or counted.group(2) if counted.group(2) else '' -%}
                {%- set endless = counted.group(1) is not none
                    or (counted.group(3) == ',' and counted.group(4) == '') -%}
                {%- if endless or most | int > 20 -%}
                    {%- do return('repeats a group without end, or more than 20 times, which a long text '
                        ~ 'would turn into the end of the Spark server: repeat a class ([…]+), write '
                        ~ '(…){1,20}, or (…)++ where the group never has to give back.') -%}
                {%- elif group.repeats -%}
                    {%- do return('repeats a group in which a group repeats, whose time a long text would '
                        ~ 'multiply: write the inner one possessively, (…)++, or out.') -%}
                {%- endif -%}
            {%- endif -%}
            {%- if groups and (counted or group.repeats) -%}
                {%- set outer = groups[-1] -%}
                {%- set outer.repeats = true -%}
            {%- endif -%}
        {%- endif -%}
        {%- set state.at = state.at + 1 -%}
    {%- endfor -%}
    {%- do return(none) -%}
{%- endmacro %}


{% macro matomo_longest_text() -%}
    {#- How many characters a text may have that is looked through for what a policy hides; a longer one is
        replaced whole, since nobody knows what is in it. Matomo itself keeps at most 4,096 of a URL or
        title; lists of items are longer. -#}
    {%- do return(65536) -%}
{%- endmacro %}


{% macro matomo_nearest(word, known) -%}
    {#- The one of `known` that shares most pairs of letters with `word`. -#}
    {%- set best = namespace(name=known[0], score=-1) -%}
    {%- set text = ' ' ~ word | string | lower ~ ' ' -%}
    {%- for name in known -%}
        {%- set other = ' ' ~ name | string | lower ~ ' ' -%}
        {%- set shared = namespace(pairs=0) -%}
        {%- for at in range(text | length - 1) if text[at:at + 2] in other -%}
            {%- set shared.pairs = shared.pairs + 1 -%}
        {%- endfor -%}
        {%- set score = 2.0 * shared.pairs / (text | length + other | length) -%}
        {%- if score > best.score -%}
            {%- set best.name = name -%}
            {%- set best.score = score -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(best.name) -%}
{%- endmacro %}


{% macro matomo_policies(privacy) -%}
    {#- The policies of `privacy`: a list of {policy, sites}, the default first and with no sites. What a
        site says goes before what its profile says, that before the default's; fields to drop add up. -#}
    {%- set problem = matomo_privacy_problem(privacy) -%}
    {%- if problem is not none -%}
        {%- do exceptions.raise_compiler_error(problem) -%}
    {%- endif -%}
    {%- set policies = [] -%}
    {%- set default = privacy.get('default') or {} -%}
    {%- set sites = [(none, {})] + (privacy.get('sites') or {}).items() | list -%}
    {%- for site, own in sites -%}
        {%- set own = own or {} -%}
        {#- A site with a profile of its own starts anew: `none` leaves nothing of the default. -#}
        {%- set layers = ([] if 'profile' in own else [default])
            + [matomo_privacy_profiles()[own.get('profile', 'none')], own] -%}
        {%- if 'profile' not in own -%}
            {%- do layers.insert(0, matomo_privacy_profiles()[default.get('profile', 'none')]) -%}
        {%- endif -%}
        {%- set policy = {} -%}
        {%- for option, facts in matomo_privacy_options().items() -%}
            {%- set said = namespace(value=facts.default) -%}
            {%- for layer in layers if option in layer -%}
                {%- set said.value = said.value + layer[option]
                    if option == 'drop_fields' else layer[option] -%}
            {%- endfor -%}
            {%- do policy.update({option: said.value}) -%}
        {%- endfor -%}
        {%- set same = policies | selectattr('policy', 'equalto', policy) | list -%}
        {%- if site is not none and same -%}
            {%- do same[0].sites.append(site | int) -%}
        {%- else -%}
            {%- do policies.append(
                {'policy': policy, 'sites': [] if site is none else [site | int]}
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(policies) -%}
{%- endmacro %}


{% macro matomo_hides_nothing(policy) -%}
    {#- Whether every option of `policy` has the value that hides nothing. -#}
    {%- for option, facts in matomo_privacy_options().items() -%}
        {#- The default of this one is a variable, which may hide. -#}
        {%- set nothing = 'all' if option == 'coordinate_decimals' else facts.default -%}
        {%- if policy[option] != nothing -%}
            {%- do return(false) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(true) -%}
{%- endmacro %}


{% macro matomo_anonymised(column) -%}
    {#- What may be stored of `column` of a document, fields or actions, by the policy of its site. -#}
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


{% macro matomo_anonymised_by(policy, column) -%}
    {#- `column` (fields or actions) by one policy. Catalogues and reports say nothing of a visitor, so of
        them only unknown fields are dropped. -#}
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
    {#- A visit's fields or one of its actions (`map`: fields or action) by `policy`: what is dropped, then
        what is changed. -#}
    {#- Action titles repeat the URL, the page title or the event; no model reads them. -#}
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
                -- Matomo says false where it hides them.
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


{% macro matomo_masked_ip(ip, bytes) -%}
    {#- An address with its last `bytes` (1 to 4; 0 keeps all) masked as Matomo does: so many bytes of
        IPv4, also where it is mapped into IPv6; 64, 80, 104 or all bits of IPv6, in its shortest form.
        Null where the text is no address. ip: an SQL expression, text. -#}
    {%- if bytes == 0 -%}
        {{ ip }}
    {%- else -%}
        {%- set byte = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])' -%}
        {%- set last_bytes = '([.][0-9]+){' ~ bytes ~ '}$' if bytes < 4 else '^.*$' -%}
        {%- set zeros = '.0' * bytes if bytes < 4 else '0.0.0.0' -%}
        case
            when length({{ ip }}) > 64 then null
            when {{ ip }} rlike '^({{ byte }}[.]){3}{{ byte }}$'
                then regexp_replace({{ ip }}, '{{ last_bytes }}', '{{ zeros }}')
            when {{ ip }} like '%:%' then element_at(transform(
                transform(
                    -- A dotted end becomes two groups of hexadecimal digits like the others; a zone
                    -- (%eth0) is no part of the address.
                    array(if(
                        {{ ip }} rlike ':({{ byte }}[.]){3}{{ byte }}$',
                        lower(regexp_extract({{ ip }}, '^(.*:)[^:]*$', 1)) || array_join(transform(
                            split(substring_index({{ ip }}, ':', -1), '[.]'),
                            (byte, at) -> lpad(lower(hex(try_cast(byte as bigint))), 2, '0')
                                || if(at = 1, ':', '')
                        ), ''),
                        lower(split_part({{ ip }}, '%', 1))
                    )),
                    -- All eight groups, four digits each; :: stands for as many zeros as are missing.
                    address -> transform(
                        if(
                            address like '%::%',
                            concat(
                                filter(split(split_part(address, '::', 1), ':'), part -> part != ''),
                                array_repeat('0', 8 - size(filter(split(address, ':'), part -> part != ''))),
                                filter(split(split_part(address, '::', 2), ':'), part -> part != '')
                            ),
                            split(address, ':')
                        ),
                        part -> if(part rlike '^[0-9a-f]{1,4}$', lpad(part, 4, '0'), null)
                    )
                ),
                parts -> case
                    when size(parts) != 8 or exists(parts, part -> part is null) then null
                    when array_join(slice(parts, 1, 6), '') = repeat('0', 20) || 'ffff'
                        then '::ffff:' || regexp_replace(
                            array_join(transform(
                                array(parts[6], parts[6], parts[7], parts[7]),
                                (part, at) -> conv(substring(part, at % 2 * 2 + 1, 2), 16, 10)
                            ), '.'),
                            '{{ last_bytes }}', '{{ zeros }}'
                        )
                    else regexp_replace(
                        array_join(transform(
                            {{ {
                                1: 'slice(parts, 1, 4)',
                                2: 'slice(parts, 1, 3)',
                                3: "array(parts[0], left(parts[1], 2) || '00')",
                                4: 'cast(array() as array<string>)'
                            }[bytes] }},
                            part -> regexp_replace(part, '^0{1,3}', '')
                        ), ':'),
                        '(^|:)0(:0)*$', ''
                    ) || '::'
                end
            ), 1)
        end
    {%- endif -%}
{%- endmacro %}


{% macro matomo_hashed_user_id(user_id, salt) -%}
    {#- Matomo's own pseudonym of a user id, so that a lake and a Matomo with the same salt agree. -#}
    sha1(concat({{ user_id }}, {{ salt }}))
{%- endmacro %}


{% macro matomo_keyed_hash(text, policy, length) -%}
    {#- The first `length` hexadecimal digits of a hash that only the key can repeat: the same text gives
        the same digits within a site and, where the policy rotates, within the UTC month or year of the
        visit's first action. Two rounds, as in HMAC, so that no digits can be carried on. -#}
    {%- set key = matomo_key('hash_key') -%}
    {%- set period = "''" -%}
    {%- if policy.hash_rotation != 'none' -%}
        {%- set first_action = epoch_seconds("fields['firstActionTimestamp']") -%}
        {%- set pattern = {'month': 'yyyy-MM', 'year': 'yyyy'}[policy.hash_rotation] -%}
        {%- set period = 'date_format(timestamp_seconds(' ~ first_action ~ "), '" ~ pattern ~ "')" -%}
    {%- endif -%}
    left(sha2(concat({{ key }}, sha2(
        concat_ws('|', {{ key }}, site_id, {{ period }}, {{ text }}), 256
    )), 256), {{ length }})
{%- endmacro %}


{% macro matomo_anonymised_referrer_url(url, level) -%}
    {#- A referrer's URL by Matomo's level: exclude_query, exclude_path (scheme and host stay; a URL without
        a path is left as it is), exclude_all. -#}
    {%- if level == 'exclude_query' -%}
        split_part({{ url }}, '?', 1)
    {%- elif level == 'exclude_path' -%}
        regexp_replace(
            {{ url }},
            '(?s)^(([a-zA-Z][a-zA-Z0-9+.-]*:)?//)([^/?#@]*@)?(\\[[^/?#]*\\]|[^/?#:]+)(:[0-9]+)?/.*$',
            '$1$4/'
        )
    {%- elif level == 'exclude_all' -%}
        ''
    {%- else -%}
        {{ url }}
    {%- endif -%}
{%- endmacro %}


{% macro matomo_filtered_query(text, names, list, is_url) -%}
    {#- A text whose URLs keep only the query parameters that `names` allow, or not those that they deny
        (`list`: allow or deny), neither in the query nor in the fragment, and no user:password@. In text
        that is no URL itself (`is_url`) they end at a blank or a quote. -#}
    {%- set end = '&#' if is_url else '&#\\\\s"' -%}
    {#- Names that are allowed are looked for at each separator, so they have an end. -#}
    {%- set any = '[^=&#]*' if list == 'deny' else '[^=&#]{0,200}' -%}
    {%- set known = '(' ~ names | join('|') | replace('.', '[.]') | replace('*', any)
        ~ ')((\\\\[|%5B)' ~ any ~ ')?' -%}
    {%- if list == 'deny' -%}
        {%- set parameter = '(?<=[?&#])' ~ known ~ '(=[^' ~ end ~ ']*|(?=[' ~ end ~ ']|$))' -%}
    {%- else -%}
        {%- set other = '(?!' ~ known ~ '([=' ~ end ~ ']|$))' if names else '' -%}
        {#- After # only what has a value: an anchor is none. -#}
        {%- set parameter = '(?<=[?&])' ~ other ~ '[^' ~ end ~ ']+|(?<=#)' ~ other
            ~ '[^=?' ~ end ~ ']*=[^' ~ end ~ ']*' -%}
    {%- endif -%}
    {%- set hidden = '(?i)(?<=://)[^/?#@\\\\s"]*@|' ~ parameter -%}
    {#- A mark where something was, since a separator goes with it. -#}
    {%- set cleaned -%}
        regexp_replace(
            regexp_replace(regexp_replace({{ text }}, '{{ hidden }}', '\u0001'), '\u0001&', ''),
            '[?&#]?\u0001',
            ''
        )
    {%- endset -%}
    {#- Addresses within other text: a whole one, a path from a slash, or at least name=value. -#}
    {#- The last is asked once for each stretch without blanks, quotes and marks, or a text of brackets and
        slashes would be looked through from each of them. -#}
    {%- set address = '://|[?&#][^\\\\s=&?#"]+=|(?<![^\\\\s"?#])(?=[^\\\\s"?#]*+[?#])'
        ~ '(?:(?<![?#])|[^\\\\s"?#]*[(])[.]{0,2}/' -%}
    {{ cleaned if is_url else 'if(' ~ text ~ " rlike '" ~ address ~ "', " ~ cleaned ~ ', ' ~ text ~ ')' }}
{%- endmacro %}


{% macro matomo_without_patterns(text, patterns) -%}
    {#- A text in which what looks like one of `patterns` is replaced: email, phone, {regex: …}; also where
        it is percent-encoded, as in a URL. The words that replace it may stand in URLs and JSON. -#}
    {%- set result = namespace(sql=text) -%}
    {%- for pattern in patterns -%}
        {%- if pattern == 'email' -%}
            {%- set result.sql = "if(" ~ text ~ " rlike '@|%(?:25){0,8}40', regexp_replace(" ~ result.sql ~ ", '"
                ~ "(?i)[\\\\p{L}\\\\p{N}._%+\\\\x27-]{1,64}(@|%(?:25){0,8}+40)"
                ~ "[\\\\p{L}\\\\p{N}-]++(?:(?:[.]|%2E)[\\\\p{L}\\\\p{N}-]++)++', 'hidden-email'), "
                ~ result.sql ~ ')' -%}
        {%- elif pattern == 'phone' -%}
            {#- +33 6 12 34 56 78, 0033…, 06.12.34.56.78, (555) 123-4567, 555-123-4567. -#}
            {%- set gap = '([ .()\\\\xA0-]|%20|%28|%29|[+]){0,3}' -%}
            {%- set result.sql = "regexp_replace(" ~ result.sql ~ ", '(?i)"
                ~ '([+]|%2B|(?<![0-9A-Z])00)[1-9](' ~ gap ~ '[0-9]){6,14}(?![0-9])'
                ~ '|(?<![0-9A-Z])[(]?0[1-9](' ~ gap ~ '[0-9]){7,10}(?![0-9A-Z])'
                ~ '|(?<![0-9A-Z])([(]|%28)?[2-9][0-9]{2}([)]|%29)?([ .-]|%20)[0-9]{3}([ .-]|%20)[0-9]{4}(?![0-9A-Z])'
                ~ "', 'hidden-phone')" -%}
        {%- else -%}
            {%- set result.sql = 'regexp_replace(' ~ result.sql ~ ', ' ~ text_literal(pattern.regex)
                ~ ", 'hidden')" -%}
        {%- endif -%}
    {%- endfor -%}
    {{ result.sql }}
{%- endmacro %}


{% macro matomo_key(column) -%}
    {#- The `user_id_salt` or `hash_key` of a document's site; the build ends with a sentence where there is
        none, since a hash without it would be no secret. -#}
    coalesce(site_keys.{{ column }}, common_keys.{{ column }}, raise_error(
        'matomo_privacy: {{ matomo_keys() }} has no {{ column }} for site ' || site_id
        || '; add it as docs/matomo-privacy.md says'
    ))
{%- endmacro %}


{% macro matomo_keys() -%}
    {#- The restricted table of salts and keys, which dbt's graph and documentation leave out. -#}
    {%- do return(api.Relation.create(
        schema=generate_schema_name('restricted', none), identifier='matomo_keys'
    )) -%}
{%- endmacro %}


{% macro matomo_keys_joined() -%}
    {#- Joins that give a document the keys of its site and those of all sites; nothing where no policy
        hashes. -#}
    {%- set hashing = [] -%}
    {%- for each in matomo_policies(var('matomo_privacy', {})) -%}
        {%- if 'hash' in [each.policy.user_id, each.policy.visitor_id, each.policy.order_id] -%}
            {%- do hashing.append(each) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if hashing -%}
        {%- if execute and load_relation(matomo_keys()) is none -%}
            {%- do exceptions.raise_compiler_error(
                'matomo_privacy hashes, but there is no table ' ~ matomo_keys() ~ ' with the keys: run '
                ~ '`dbt run-operation load_matomo_keys` as docs/matomo-privacy.md says'
            ) -%}
        {%- endif -%}
        {%- set keys -%}
            (
                select
                    site_id as key_site_id,
                    nullif(max(user_id_salt), '') as user_id_salt,
                    nullif(max(hash_key), '') as hash_key
                from {{ matomo_keys() }}
                group by site_id
            )
        {%- endset -%}
        left join {{ keys }} as site_keys on site_id = site_keys.key_site_id
        left join {{ keys }} as common_keys on common_keys.key_site_id is null
    {%- endif -%}
{%- endmacro %}

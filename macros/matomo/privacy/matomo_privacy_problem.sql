{% macro matomo_privacy_problem(privacy) -%}
    {#- An error message about the first mistake in `privacy`, the variable; none if there is no
        mistake. -#}
    {%- set options = matomo_privacy_options() -%}
    {%- set known = ['profile'] + options.keys() | list -%}
    {%- if privacy is not mapping -%}
        {%- do return("matomo_privacy must have 'default', 'sites' or both.") -%}
    {%- endif -%}
    {%- for key in privacy if key not in ['default', 'sites'] -%}
        {%- do return("matomo_privacy: '" ~ key ~ "' is not allowed; use 'default' and 'sites'"
            ~ ("; '" ~ key ~ "' belongs below one of them." if key in known else '.')) -%}
    {%- endfor -%}
    {%- set policies = [('default', privacy.get('default') or {})] -%}
    {%- for site, policy in (privacy.get('sites') or {}).items() -%}
        {%- if not modules.re.match('[0-9]+$', site | string) -%}
            {%- do return("matomo_privacy.sites: '" ~ site ~ "' is not a site id.") -%}
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
                {%- do return('matomo_privacy.' ~ place ~ ": '" ~ option
                    ~ "' is not allowed; did you mean '" ~ matomo_nearest(option, known) ~ "'?") -%}
            {%- endif -%}
            {%- set allowed = matomo_privacy_profiles().keys() | list
                if option == 'profile' else options[option].allowed -%}
            {%- if allowed is not string -%}
                {#- YAML's `1.0` and `true` equal 1, and 1 is not a text, so the values are compared
                    as text. -#}
                {%- if value | string not in allowed | map('string') | list -%}
                    {%- do return(where ~ ": '" ~ value ~ "' is not allowed; did you mean '"
                        ~ matomo_nearest(value, allowed) ~ "'? Allowed: "
                        ~ allowed | join(', ') ~ '.') -%}
                {%- endif -%}
            {%- elif option == 'query_parameters' -%}
                {%- if value is not mapping or value | length != 1
                    or value.keys() | first not in ['allow', 'deny'] -%}
                    {%- do return(where ~ " must be {allow: [names]} or {deny: [names]}.") -%}
                {%- endif -%}
                {%- for name in value.values() | first or [] -%}
                    {%- if not modules.re.match('[A-Za-z0-9_.*~-]+$', name | string) -%}
                        {%- do return(where ~ ": '" ~ name ~ "' is not a name of a query parameter "
                            ~ '(letters, digits, _ . ~ -, and * for any).') -%}
                    {%- endif -%}
                {%- endfor -%}
            {%- elif value is string or value is mapping or value is not iterable -%}
                {%- do return(where ~ ' must be a list.') -%}
            {%- else -%}
                {%- for each in value -%}
                    {%- if option == 'patterns' and each is mapping -%}
                        {%- if each.keys() | list != ['regex'] -%}
                            {%- do return(where ~ ': write your own pattern as {regex: …}.') -%}
                        {%- endif -%}
                        {%- set problem = matomo_regex_problem(each.regex | string) -%}
                        {%- if problem is not none -%}
                            {%- do return(where ~ ": '" ~ each.regex ~ "' " ~ problem) -%}
                        {%- endif -%}
                    {%- elif option == 'patterns' and each not in ['email', 'phone'] -%}
                        {%- do return(where ~ ": '" ~ each ~ "' is not allowed; did you mean '"
                            ~ matomo_nearest(each, ['email', 'phone'])
                            ~ "'? Otherwise write your own pattern as {regex: …}.") -%}
                    {%- elif option == 'drop_fields'
                        and not modules.re.match('[A-Za-z0-9_]+$', each | string) -%}
                        {%- do return(where ~ ": '" ~ each ~ "' is not a field name.") -%}
                    {%- endif -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do return(none) -%}
{%- endmacro %}


{% macro matomo_regex_problem(regex) -%}
    {#- What is wrong with a configured regular expression, as the end of an error message; none if
        nothing is wrong. If a group may repeat without limit, or inside another repeating group,
        Java recurses for each repetition: a text of some kilobytes overflows the stack and ends the
        Spark server. A group with a possessive repetition, (…)++, does not recurse. -#}
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
            {#- A bracket directly after the opening one is a character of the class. -#}
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
                    {%- do return('repeats a group without end, or more than 20 times; on a long '
                        ~ 'text this would crash the Spark server: repeat a class ([…]+), write '
                        ~ '(…){1,20}, or (…)++ where the group never has to give back.') -%}
                {%- elif group.repeats -%}
                    {%- do return('repeats a group in which a group repeats, which can take far too '
                        ~ 'long on a long text: make the inner group possessive, (…)++, or write '
                        ~ 'it out.') -%}
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


{% macro matomo_nearest(word, known) -%}
    {#- The one of `known` that shares the most pairs of letters with `word`. -#}
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

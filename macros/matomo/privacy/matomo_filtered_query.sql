{% macro matomo_filtered_query(text, names, list, is_url) -%}
    {#- A text whose URLs keep only the query parameters that `names` allow, or lose those that it
        denies (`list`: allow or deny), in the query and in the fragment. user:password@ is removed
        too. In a text that is not a URL itself (not `is_url`) a parameter ends at a blank or a
        quote. -#}
    {%- set end = '&#' if is_url else '&#\\\\s"' -%}
    {#- Allowed names are searched for at each separator, so their length is limited. -#}
    {%- set any = '[^=&#]*' if list == 'deny' else '[^=&#]{0,200}' -%}
    {%- set known = '(' ~ names | join('|') | replace('.', '[.]') | replace('*', any)
        ~ ')((\\\\[|%5B)' ~ any ~ ')?' -%}
    {%- if list == 'deny' -%}
        {%- set parameter = '(?<=[?&#])' ~ known ~ '(=[^' ~ end ~ ']*|(?=[' ~ end ~ ']|$))' -%}
    {%- else -%}
        {%- set other = '(?!' ~ known ~ '([=' ~ end ~ ']|$))' if names else '' -%}
        {#- After # only a parameter with a value is removed: an anchor has none. -#}
        {%- set parameter = '(?<=[?&])' ~ other ~ '[^' ~ end ~ ']+|(?<=#)' ~ other
            ~ '[^=?' ~ end ~ ']*=[^' ~ end ~ ']*' -%}
    {%- endif -%}
    {%- set hidden = '(?i)(?<=://)[^/?#@\\\\s"]*@|' ~ parameter -%}
    {#- A marker replaces each removed parameter, because its separator must be removed too. -#}
    {%- set cleaned -%}
        regexp_replace(
            regexp_replace(regexp_replace({{ text }}, '{{ hidden }}', '\u0001'), '\u0001&', ''),
            '[?&#]?\u0001',
            ''
        )
    {%- endset -%}
    {#- URLs within other text: a whole one, a path from a slash, or at least name=value. -#}
    {#- The last alternative is tried once for each stretch without blanks, quotes and separators.
        Otherwise a text of brackets and slashes would be searched again from each of them. -#}
    {%- set address = '://|[?&#][^\\\\s=&?#"]+=|(?<![^\\\\s"?#])(?=[^\\\\s"?#]*+[?#])'
        ~ '(?:(?<![?#])|[^\\\\s"?#]*[(])[.]{0,2}/' -%}
    {{ cleaned if is_url else 'if(' ~ text ~ " rlike '" ~ address ~ "', " ~ cleaned ~ ', ' ~ text ~ ')' }}
{%- endmacro %}

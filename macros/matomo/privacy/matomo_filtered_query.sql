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

{% macro matomo_without_patterns(text, patterns) -%}
    {#- A text in which everything that matches one of `patterns` (email, phone, {regex: …}) is
        replaced, also if it is percent-encoded as in a URL. The replacements are valid in URLs and
        JSON. -#}
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

{% macro matomo_keyed_hash(text, policy, length) -%}
    {#- The first `length` hexadecimal digits of a hash with the lake's key. The same text gives the
        same digits within a site and, if the policy rotates, within the UTC month or year of the
        visit's first action. Two rounds, as in HMAC, prevent length extension. -#}
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

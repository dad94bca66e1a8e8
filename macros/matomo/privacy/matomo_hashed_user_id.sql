{% macro matomo_hashed_user_id(user_id, salt) -%}
    {#- The pseudonym that Matomo itself computes from a user id, so a lake and a Matomo with the
        same salt agree. -#}
    sha1(concat({{ user_id }}, {{ salt }}))
{%- endmacro %}

{% macro matomo_hashed_user_id(user_id, salt) -%}
    {#- Matomo's own pseudonym of a user id, so that a lake and a Matomo with the same salt agree. -#}
    sha1(concat({{ user_id }}, {{ salt }}))
{%- endmacro %}

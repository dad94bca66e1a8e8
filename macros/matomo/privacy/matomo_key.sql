{% macro matomo_key(column) -%}
    {#- The `user_id_salt` or `hash_key` of a document's site. The statement fails if there is none,
        because a hash without a key could be guessed. -#}
    coalesce(site_keys.{{ column }}, common_keys.{{ column }}, raise_error(
        'matomo_privacy: {{ matomo_keys() }} has no {{ column }} for site ' || site_id
        || '; add it as docs/matomo-privacy.md says'
    ))
{%- endmacro %}

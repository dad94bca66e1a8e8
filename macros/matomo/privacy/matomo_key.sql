{% macro matomo_key(column) -%}
    {#- The `user_id_salt` or `hash_key` of a document's site; the build ends with a sentence where there is
        none, since a hash without it would be no secret. -#}
    coalesce(site_keys.{{ column }}, common_keys.{{ column }}, raise_error(
        'matomo_privacy: {{ matomo_keys() }} has no {{ column }} for site ' || site_id
        || '; add it as docs/matomo-privacy.md says'
    ))
{%- endmacro %}

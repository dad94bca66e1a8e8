{% macro matomo_privacy_options() -%}
    {#- All options of a policy, each with its default and its permitted values (a list of values,
        or a kind). -#}
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

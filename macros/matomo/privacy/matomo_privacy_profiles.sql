{% macro matomo_privacy_profiles() -%}
    {#- The options that each `profile` sets. -#}
    {%- do return({
        'none': {},
        'cnil_exempt': {
            'ip_mask_bytes': 2,
            'user_id': 'hash',
            'visitor_id': 'hash',
            'order_id': 'hash',
            'referrer': 'exclude_path',
            'campaigns': 'drop',
            'query_parameters': {'allow': []},
            'patterns': ['email', 'phone'],
            'coordinate_decimals': -1,
            'resolution': 'drop',
            'unknown_fields': 'drop',
            'drop_fields': [
                'provider', 'providerName', 'providerUrl', 'sessionReplayUrl', 'formConversions'
            ]
        }
    }) -%}
{%- endmacro %}

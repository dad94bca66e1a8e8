{% macro matomo_utc(local, visit) -%}
    {#- The UTC time of an action, computed from its wall-clock time. If the clocks changed during
        the visit, the site's time zone decides, if it is known; of two possible times the one
        within the visit is used. local: an SQL expression, timestamp_ntz; visit: alias of rows of
        int_matomo__current_visits. -#}
    {%- set seconds = 'unix_seconds(cast(' ~ local ~ ' as timestamp))' -%}
    {%- set before = 'timestamp_seconds(' ~ seconds ~ ' - ' ~ visit ~ '.first_utc_offset_seconds)' -%}
    {%- set after = 'timestamp_seconds(' ~ seconds ~ ' - ' ~ visit ~ '.site_utc_offset_seconds)' -%}
    case
        when coalesce({{ visit }}.first_utc_offset_seconds, {{ visit }}.site_utc_offset_seconds)
            = {{ visit }}.site_utc_offset_seconds
            then {{ after }}
        when to_utc_timestamp({{ local }}, {{ visit }}.time_zone)
            between {{ visit }}.first_action_at and {{ visit }}.last_action_at
            then to_utc_timestamp({{ local }}, {{ visit }}.time_zone)
        when {{ before }} between {{ visit }}.first_action_at and {{ visit }}.last_action_at
            then {{ before }}
        else {{ after }}
    end
{%- endmacro %}

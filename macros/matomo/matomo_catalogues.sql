{#-
    Catalogues are messages that list all goals or all custom dimensions of a site, so an entry that
    the newest one does not list no longer exists. `key` identifies an entry. `columns` are texts
    that every entry has at its source, so a catalogue without any of them is incomplete.
-#}
{% macro matomo_catalogues() -%}
    {%- do return({
        'goals': {'key': 'goal_key', 'columns': ['name', 'match_attribute']},
        'custom_dimensions': {'key': 'custom_dimension_key', 'columns': ['name', 'scope']},
    }) -%}
{%- endmacro %}

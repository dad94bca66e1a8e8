-- Rows of the park's current versions that staging could not use. The other rows are used.
{% for name in park_tables() %}
{{ 'union all' if not loop.first }}
select
    '{{ name }}' as file_name,
    batch_id,
    reason,
    line as rejected_line
from {{ park_rows(name) }} as {{ name }}
where reason is not null
{% endfor %}

-- Lines of the newest park files that do not fit their header. The rest of their file is loaded.
{% for name, columns in {
    'communes': ['code_insee'],
    'departements': ['id_departement'],
    'region': ['id_region'],
    'pdc': ['id_pdc'],
    'pdk': ['id_pdk'],
    'compteurs': ['id_compteur'],
    'concentrateurs': ['id_consentrateur'],
    'installation_c': ['id_pdc'],
    'installation_k': ['id_pdk'],
}.items() %}
{{ 'union all' if not loop.first }}
select
    '{{ name }}' as file_name,
    batch_id,
    'wrong_field_count' as reason,
    corrupt_record as rejected_line
from {{ raw_table('park_' ~ name, columns) }}
where corrupt_record is not null
{% endfor %}

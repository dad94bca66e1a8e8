{#-
    The park's tables as their source names them: the columns that are read, those that must be
    numbers, text, dates or codes of INSEE, and what names a row: its `key`, and its `identity` where
    that is less, because the end of an installation comes later and makes no other installation of it.
    `codes` are written in their form (commune or departement, see insee_code); those that are also
    `texts` must have it. `first` says which of the rows with one key is used; it may read `optional`
    columns. One list, so that what staging takes and what quarantine shows are each other's complement.
-#}
{% macro park_tables() -%}
    {%- do return({
        'compteurs': {
            'columns': ['id_compteur', 'constructeur_id'],
            'numbers': ['id_compteur'], 'key': ['id_compteur'],
        },
        'concentrateurs': {
            'columns': ['id_consentrateur', 'constructeur_id'],
            'numbers': ['id_consentrateur'], 'key': ['id_consentrateur'],
        },
        'pdc': {
            'columns': ['id_pdc', 'id_pdk', 'code_insee_commune'],
            'codes': {'code_insee_commune': 'commune'},
            'numbers': ['id_pdc'], 'key': ['id_pdc'],
        },
        'pdk': {
            'columns': ['id_pdk', 'code_insee_commune'],
            'codes': {'code_insee_commune': 'commune'},
            'numbers': ['id_pdk'], 'key': ['id_pdk'],
        },
        'installation_c': {
            'columns': ['id_pdc', 'id_compteur', 'date_deb', 'date_fin'],
            'numbers': ['id_pdc', 'id_compteur'], 'interval': ['date_deb', 'date_fin'],
            'identity': ['id_pdc', 'id_compteur', 'date_deb'],
            'key': ['id_pdc', 'id_compteur', 'date_deb', 'date_fin'],
        },
        'installation_k': {
            'columns': ['id_pdk', 'id_concentrateurs', 'date_deb', 'date_fin'],
            'numbers': ['id_pdk', 'id_concentrateurs'], 'interval': ['date_deb', 'date_fin'],
            'identity': ['id_pdk', 'id_concentrateurs', 'date_deb'],
            'key': ['id_pdk', 'id_concentrateurs', 'date_deb', 'date_fin'],
        },
        'communes': {
            'columns': ['code_insee', 'libelle_commune', 'id_departement', 'id_region'],
            'codes': {'code_insee': 'commune', 'id_departement': 'departement'},
            'texts': ['code_insee'], 'key': ['code_insee'],
            'optional': ['typecom'], 'first': "coalesce(typecom, 'COM') != 'COM'",
        },
        'departements': {
            'columns': ['id_departement', 'libelle_departement'],
            'codes': {'id_departement': 'departement'},
            'identity': ['id_departement'],
            'texts': ['id_departement'], 'key': ['id_departement', 'libelle_departement'],
        },
        'region': {
            'columns': ['id_region', 'libelle_region'],
            'texts': ['id_region'], 'key': ['id_region'],
        },
    }) -%}
{%- endmacro %}

{#-
    The park's tables by their names in the source: the columns that are read, those that must be
    numbers, text, dates or INSEE codes, and those that identify a row. `key` identifies a row.
    `identity` is a part of the key that identifies an installation, because its end is added later
    and does not make it another installation. `codes` are converted to their official form (commune
    or departement, see insee_code); if they are also `texts`, a row without a valid code cannot be
    used. `first` decides which of several rows with one key is used; it may read `optional`
    columns. Staging and quarantine read the same list, so each row of an import is in exactly one
    of them.
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

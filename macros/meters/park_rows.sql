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


{% macro park_rows(name) -%}
    {#- The current version of park table `name`, as stg_park__versions says: `batch_id`, its columns as
        text, the line, and the `reason` why a row cannot be used; null for a good one. -#}
    {%- set table = park_tables()[name] -%}
    (
        select
            batch_id,
            {%- for column in table.columns %}
            {{ column }},
            {%- endfor %}
            line,
            case
                when corrupt_record is not null then 'wrong_field_count'
                {%- for column in table.numbers or [] %}
                when try_cast({{ column }} as bigint) is null then 'wrong_{{ column }}'
                {%- endfor %}
                {%- for column in table.texts or [] %}
                when {{ column }} is null then 'no_{{ column }}'
                {%- endfor %}
                {%- for column, kind in (table.codes or {}).items() if column in (table.texts or []) %}
                when {{ insee_code(kind, column) }} is null then 'wrong_{{ column }}'
                {%- endfor %}
                {%- if table.interval is defined %}
                {%- set first, last = table.interval %}
                when {{ park_date(first) }} is null then 'wrong_{{ first }}'
                when {{ last }} is not null and {{ park_date(last) }} is null then 'wrong_{{ last }}'
                when {{ park_date(last) }} < {{ park_date(first) }} then 'ends_before_it_begins'
                {%- endif %}
                when row_number() over (
                    partition by corrupt_record
                    {%- for column in table.key -%}
                        , {% if column in (table.numbers or []) -%} try_cast({{ column }} as bigint)
                        {%- elif column in (table.interval or []) -%} {{ park_date(column) }}
                        {%- else -%} {{ column }} {%- endif -%}
                    {%- endfor %}
                    order by {{ table.first ~ ', ' if table.first }}{{ table.columns | join(', ') }}
                ) > 1 then 'repeated'
            end as reason
        from (
            {%- for origin in park_origins(name) %}
            {{ 'union all' if not loop.first }}
            {{ park_texts(name, origin, '(' ~ park_current_rows(name, origin) ~ ')') }}
            {%- endfor %}
        ) as rows_of_import
    )
{%- endmacro %}


{% macro last_import(name) -%}
    {#- The usable rows of the newest version of park table `name`, all text; the others are in
        quarantine.park_lines. -#}
    (
        select * except (batch_id, line, reason)
        from {{ park_rows(name) }} as all_rows
        where reason is null
    )
{%- endmacro %}


{% macro park_date(text) -%}
    {#- A date of the park: yyyyMMdd in files, yyyy-MM-dd (maybe with a time) from databases; null
        where it is neither. -#}
    cast(coalesce(
        {{ timestamp_or_null(text, 'yyyyMMdd') }},
        {{ timestamp_or_null('left(' ~ text ~ ', 10)', 'yyyy-MM-dd') }}
    ) as date)
{%- endmacro %}


{% macro insee_code(kind, text) -%}
    {#- A code of INSEE in its form, with the zero, the capitals and without the spaces that a spreadsheet
        lost or added; null where it is none then. kind: commune (01004, 2A004, 97105) or departement
        (01, 2A, 75, 971; 97 as well, which the park's files have for all of overseas; 20A and 20B are 2A
        and 2B). text: an SQL expression. -#}
    {%- set code = 'upper(trim(' ~ text ~ '))' -%}
    {%- if kind == 'commune' -%}
    nullif(
        regexp_extract(
            if({{ code }} rlike '^[1-9][0-9]{3}$', '0' || {{ code }}, {{ code }}),
            '^(0[1-9]|[1-8][0-9]|9[0-5]|2[AB]|9[78])[0-9]{3}\\z', 0
        ),
        ''
    )
    {%- else -%}
    nullif(
        regexp_extract(
            case
                when {{ code }} rlike '^[1-9]$' then '0' || {{ code }}
                when {{ code }} in ('20A', '20B') then '2' || right({{ code }}, 1)
                else {{ code }}
            end,
            '^(0[1-9]|[1-8][0-9]|9[0-5]|2[AB]|97|9[78][0-9])\\z', 0
        ),
        ''
    )
    {%- endif -%}
{%- endmacro %}


{% macro is_overseas(commune_code) -%}
    {#- A predicate on an INSEE code of a commune, text: it is overseas, so that its first three digits
        are those of its département or collectivity. -#}
    {{ commune_code }} rlike '^9[78]'
{%- endmacro %}


{% macro plain_label(text) -%}
    {#- A label as registers without accents write it: capitals, one space for spaces and hyphens.
        text: an SQL expression. -#}
    regexp_replace(
        translate(upper(trim({{ text }})), 'ÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŸ’-', 'AAACEEEEIIOOUUUY'' '), ' +', ' '
    )
{%- endmacro %}

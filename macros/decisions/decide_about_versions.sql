{% macro decide_about_versions(decision, version, reason) -%}
    {#- Records the decision about each held version whose name matches `version`, a pattern in
        which % matches any text, and returns their names as a list. -#}
    {%- set version, found = version | string, [] -%}
    {%- for model in ['park_held_versions', 'matomo_held_catalogues'] -%}
        {%- if load_relation(ref(model)) is not none -%}
            {%- do found.extend(run_query(
                'select version from ' ~ ref(model) ~ ' where version like ' ~ text_literal(version)
                ~ ' order by 1'
            ).columns[0].values()) -%}
        {%- endif -%}
    {%- endfor -%}
    {#- A table that no longer exists is in no view: the build stopped and named this version. -#}
    {%- if '/gone-after-' in version and version.split('/')[0][5:] in park_tables() -%}
        {%- do found.append(version) -%}
    {%- endif -%}
    {%- if not found -%}
        {%- do exceptions.raise_compiler_error(
            'No held version matches ' ~ version ~ '; ' ~ ref('park_held_versions') ~ ' and '
            ~ ref('matomo_held_catalogues') ~ ' list the held versions.'
        ) -%}
    {%- endif -%}
    {%- for held in found -%}
        {%- do record_decision(decision, held.split('/')[0], held, reason) -%}
    {%- endfor -%}
    {%- do return(found) -%}
{%- endmacro %}

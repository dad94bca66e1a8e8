{#-
    Decides which version of a park table is current. Each complete import is a version. It replaces
    the one before unless it lost too much. Then it is held until a person accepts it or a later
    version is good. The figures of a version are queried from raw once and kept in
    stg_park__versions. The current version follows from these figures, the ledger and the
    decisions, in the order of the imports.
-#}
{% macro park_versions() -%}
    {%- set fresh, stored = [], park_stored_versions() -%}
    {%- set imports = park_imports() -%}
    {%- set accepted, rejected, currents, found = [], [], [], [] -%}
    {%- if execute -%}
        {%- for decision, versions in [('accept', accepted), ('reject', rejected)] -%}
            {%- do versions.extend(run_query(
                'select version from ' ~ versions_decided(decision) ~ ' as decided'
            ).columns[0].values()) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for name in park_tables() -%}
        {%- set state = namespace(current=none, held=[]) -%}
        {%- set walked = [] -%}
        {%- set origins = park_origins(name) -%}
        {%- set first_of_database = (imports.get('parc_' ~ name) or [{}])[0].get('committed_at') -%}
        {%- for origin in origins if execute -%}
            {%- set known = stored.values() | selectattr('raw_table', 'equalto', origin.table) | list -%}
            {%- set batches = imports.get(origin.table) or [] -%}
            {%- if (known or batches) and (not batches or not origin.is_there) -%}
                {%- do refuse_a_lost_table(origin, (known or batches) | last, accepted) -%}
                {%- set batches = [] -%}
            {%- endif -%}
            {#- Begin with the version that was current; if none is known, with the newest 20
                imports. -#}
            {%- set kept = known | selectattr('is_current') | map(attribute='batch_id') | list -%}
            {%- set start = kept | last if kept else (batches[-20:] or [{'batch_id': 0}])[0].batch_id -%}
            {%- for batch in batches if batch.batch_id >= start -%}
                {%- set is_base_of_database = origin.is_database or first_of_database is none
                    or 'parc_' ~ name not in origins | map(attribute='table')
                    or batch.committed_at < first_of_database -%}
                {%- if is_base_of_database -%}
                    {%- set base, seen = state.current, stored.get(batch.version) -%}
                    {%- set base_version = base.version.version if base is not none else none -%}
                    {%- if seen is none or (seen.base_version != base_version
                        and not (seen.is_current and base is none)) -%}
                        {%- set seen = park_version_measure(name, origin, batch, base) -%}
                        {%- do seen.update({'base_version': base_version}) -%}
                    {%- endif -%}
                    {%- set fault = none -%}
                    {%- if base is not none -%}
                        {%- set fault = park_version_fault(name, seen, base.measure) -%}
                    {%- endif -%}
                    {%- do walked.append({
                        'batch': batch, 'measure': seen, 'fault': fault,
                        'before': base.measure['keys'] if base is not none else none,
                    }) -%}
                    {%- if fault is none or batch.version in accepted -%}
                        {%- set state.current = {'origin': origin, 'version': batch, 'measure': seen} -%}
                        {%- set state.held = [] -%}
                    {%- else -%}
                        {%- do state.held.append(batch.version) -%}
                    {%- endif -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- for each in walked -%}
            {%- set version = each.batch.version -%}
            {%- set is_current = state.current is not none and state.current.version.version == version -%}
            {%- set is_held = version in state.held -%}
            {%- set was = stored.get(version) -%}
            {%- if is_held and version not in rejected -%}
                {%- do exceptions.warn(
                    version ~ ' is held (' ~ each.fault ~ '; ' ~ each.measure.kept ~ ' of '
                    ~ each.before ~ ' keys are left); the version before it stays in use. To use'
                    ~ " the held version: dbt run-operation accept --args '{version: " ~ version
                    ~ ", reason: …}'"
                ) -%}
            {%- endif -%}
            {%- if not is_incremental() or was is none or was.is_current != is_current
                or was.is_held != is_held or was.base_version != each.measure.base_version -%}
                {%- do fresh.append([each, name, is_current, is_held]) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if state.current is not none and state.current.measure['keys'] > 0
            and state.current.version.mode == 'full' -%}
            {%- do currents.append(state.current) -%}
        {%- endif -%}
        {#- Versions that were current but were not examined, because they are older or of another
            origin. -#}
        {%- set seen_now = walked | map(attribute='batch') | map(attribute='version') | list -%}
        {%- for was in stored.values() if is_incremental() and was.is_current | default(false)
            and was.raw_table in ['park_' ~ name, 'parc_' ~ name] and was.version not in seen_now -%}
            {%- do fresh.append([{
                'batch': {'version': was.version, 'raw_table': was.raw_table, 'batch_id': was.batch_id,
                    'mode': 'full', 'committed_at': none},
                'measure': was, 'fault': was.reason, 'before': none,
            }, name, false, false]) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for current in currents -%}
        {%- do found.append(
            "select '" ~ current.version.version ~ "' as version where not exists (select 1 from "
            ~ current.origin.relation ~ ' where batch_id = ' ~ current.version.batch_id ~ ')'
        ) -%}
    {%- endfor -%}
    {%- set lost = run_query(found | join(' union all ')).rows if found else [] -%}
    {%- for row in lost -%}
        {%- for current in currents if current.version.version == row[0] -%}
            {%- do refuse_a_lost_table(current.origin, current.version, accepted) -%}
        {%- endfor -%}
    {%- endfor -%}
    select
        cast(version as string) as version,
        cast(park_table as string) as park_table,
        cast(raw_table as string) as raw_table,
        cast(batch_id as bigint) as batch_id,
        cast(mode as string) as mode,
        cast(committed_at as timestamp) as committed_at,
        cast(base_version as string) as base_version,
        cast(key_count as bigint) as key_count,
        cast(base_key_count as bigint) as base_key_count,
        cast(kept_count as bigint) as kept_count,
        cast(filled as string) as filled,
        cast(reason as string) as reason,
        cast(is_current as boolean) as is_current,
        cast(is_held as boolean) as is_held
    from
        values
        {%- for each, name, is_current, is_held in fresh %}
        (
            '{{ each.batch.version }}', '{{ name }}', '{{ each.batch.raw_table }}', {{ each.batch.batch_id }},
            '{{ each.batch.mode }}', {{ text_literal(each.batch.committed_at) if each.batch.committed_at else 'null' }},
            {{ text_literal(each.measure.base_version) if each.measure.base_version else 'null' }},
            {{ each.measure['keys'] }}, {{ 'null' if each.before is none else each.before }},
            {{ 'null' if each.measure.kept is none else each.measure.kept }},
            {{ text_literal(each.measure.filled) }},
            {{ text_literal(each.fault) if each.fault else 'null' }}, {{ is_current }}, {{ is_held }}
        ),
        {%- endfor %}
        (null, null, null, null, null, null, null, null, null, null, null, null, null, null)
        as versions (
            version, park_table, raw_table, batch_id, mode, committed_at, base_version, key_count,
            base_key_count, kept_count, filled, reason, is_current, is_held
        )
    where version is not null
{%- endmacro %}


{% macro refuse_a_lost_table(origin, last, accepted) -%}
    {%- set gone = origin.table ~ '/gone-after-' ~ last.batch_id -%}
    {%- if gone not in accepted -%}
        {%- do exceptions.raise_compiler_error(
            origin.relation ~ ' was imported before (batch ' ~ last.batch_id ~ ') and is missing now:'
            ~ ' it was dropped, its rows were deleted, or LACUSTRE_RAW_SCHEMA (' ~ origin.relation.schema ~ ') is misspelt. The'
            ~ ' park stays as it is. Correct the name or import the table again. To continue'
            ~ " without it: dbt run-operation accept --args '{version: " ~ gone ~ ", reason: …}'"
        ) -%}
    {%- endif -%}
{%- endmacro %}

{#-
    Which version of a park table is current. Each complete import is a version. It takes the place of
    the one before, unless it lost too much of it: then it is held until a person accepts it or a later
    one is good. What a version holds is asked of raw once and kept in stg_park__versions; what is
    current follows from that, from the ledger and from the decisions, in the order of the imports.
-#}
{% macro park_origins(name) -%}
    {#- Asked once per invocation: six models read the park, and each column list is a statement. -#}
    {%- set known = this_build().setdefault('park_origins', {}) if execute else {} -%}
    {%- if name not in known -%}
        {%- set of_files, of_database = source('raw', 'park_' ~ name), source('raw', 'parc_' ~ name) -%}
        {%- set origins = [] -%}
        {%- for relation, is_database in [(of_files, false), (of_database, true)]
            if var('park_source') in ['auto', 'database' if is_database else 'files'] -%}
            {%- set held = load_relation(relation) if execute else none -%}
            {%- set columns = [] -%}
            {%- if held is not none -%}
                {%- do columns.extend(
                    adapter.get_columns_in_relation(held) | map(attribute='name')
                ) -%}
            {%- endif -%}
            {%- do origins.append({
                'relation': relation, 'table': relation.identifier, 'is_database': is_database,
                'is_there': held is not none, 'columns': columns,
            }) -%}
        {%- endfor -%}
        {%- do known.update({name: origins}) -%}
    {%- endif -%}
    {%- do return(known[name]) -%}
{%- endmacro %}


{% macro park_version_rows(name, origin, batch, is_full) -%}
    {%- set table = park_tables()[name] -%}
    {%- set identity = table.identity or table.key -%}
    {%- if not origin.is_there -%}
        select cast(null as bigint) as batch_id where false
    {%- elif is_full -%}
        select * from {{ origin.relation }} where batch_id = {{ batch }}
    {%- elif identity | reject('in', origin.columns) | list or 'is_deleted' not in origin.columns -%}
        select * from {{ origin.relation }} where batch_id <= {{ batch }}
    {%- else -%}
        select * from {{ origin.relation }} where batch_id <= {{ batch }}
        qualify batch_id = max(batch_id) over (partition by {{ identity | join(', ') }})
            and not coalesce(is_deleted, false)
    {%- endif -%}
{%- endmacro %}


{% macro park_current_rows(name, origin) -%}
    {%- set current = "(select max(batch_id) from " ~ ref('stg_park__versions')
        ~ " where is_current and raw_table = '" ~ origin.table ~ "' and mode " -%}
    {%- set full = park_version_rows(name, origin, current ~ "= 'full')", true) -%}
    {%- if origin.is_database and origin.is_there -%}
        {%- set read = ['batch_id'] + park_tables()[name].columns -%}
        {%- set names = read | select('in', origin.columns) | join(', ') -%}
        select {{ names }} from ({{ full }}) as whole
        union all
        select {{ names }} from (
            {{ park_version_rows(name, origin, current ~ "!= 'full')", false) }}
        ) as newest
    {%- else -%}
        {{ full }}
    {%- endif -%}
{%- endmacro %}


{% macro park_texts(name, origin, rows) -%}
    {%- set table = park_tables()[name] -%}
    {%- set columns, codes = table.columns, table.codes or {} -%}
    {%- set corrupt = 'corrupt_record' if 'corrupt_record' in origin.columns else 'cast(null as string)' -%}
    select
        batch_id,
        {{ corrupt }} as corrupt_record,
        {%- for column in columns + (table.optional or []) %}
        {%- set text = "nullif(trim(cast(" ~ column ~ " as string)), '')" %}
        {%- if column not in origin.columns %}
        cast(null as string) as {{ column }},
        {%- elif column in codes %}
        coalesce({{ insee_code(codes[column], text) }}, {{ text }}) as {{ column }},
        {%- else %}
        {{ text }} as {{ column }},
        {%- endif %}
        {%- endfor %}
        coalesce(
            {{ corrupt }},
            concat_ws(',' {%- for column in columns -%}
                , coalesce({{ 'cast(' ~ column ~ ' as string)' if column in origin.columns else 'null' }}, '')
            {%- endfor %})
        ) as line
    from {{ rows }} as rows_of_version
{%- endmacro %}


{% macro park_version_measure(name, origin, version, base) -%}
    {%- set table = park_tables()[name] -%}
    {%- set parts, sides = [], [] -%}
    {%- for column in table.identity or table.key -%}
        {%- if column in (table.numbers or []) -%}
            {%- do parts.append('try_cast(' ~ column ~ ' as bigint)') -%}
        {%- elif column in (table.interval or []) -%}
            {%- do parts.append(park_date(column)) -%}
        {%- else -%}
            {%- do parts.append(column) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for side in [{'origin': origin, 'version': version}, base] if side is not none -%}
        {%- set rows = park_version_rows(
            name, side.origin, side.version.batch_id, side.version.mode == 'full'
        ) -%}
        {%- do sides.append(
            'select *, struct(' ~ parts | join(', ') ~ ') as row_key from ('
            ~ park_texts(name, side.origin, '(' ~ rows ~ ')') ~ ') as texts'
            ~ ' where corrupt_record is null and ' ~ parts | join(' is not null and ') ~ ' is not null'
        ) -%}
    {%- endfor -%}
    {%- set filled = [] -%}
    {%- for column in table.columns -%}
        {%- do filled.append("'" ~ column ~ "', count(fresh." ~ column ~ ")") -%}
    {%- endfor -%}
    {%- set row = run_query(
        'select count(distinct fresh.row_key), '
        ~ ('count(distinct base.row_key)' if base is not none else 'cast(null as bigint)')
        ~ ', to_json(named_struct(' ~ filled | join(', ') ~ '))'
        ~ (', (select count(*) from (' ~ sides[1] ~ ') as keys)' if base is not none else ', 0')
        ~ ' from (' ~ sides[0] ~ ') as fresh'
        ~ (' left join (select distinct row_key from (' ~ sides[1] ~ ') as keys) as base'
            ~ ' on fresh.row_key = base.row_key' if base is not none else '')
    ).rows[0] -%}
    {%- set kept = none if base is none else row[1] | int -%}
    {%- if base is not none and row[3] | int == 0 -%}
        {#- Raw has the rows of that version no more: the number of keys must do. -#}
        {%- set kept = [row[0] | int, base.measure['keys']] | min -%}
    {%- endif -%}
    {%- do return({'keys': row[0] | int, 'kept': kept, 'filled': row[2]}) -%}
{%- endmacro %}


{% macro is_loss(before, left) -%}
    {%- set lost = before - left -%}
    {%- do return(lost > 0 and (
        lost * 2 >= before
        or (lost * 100 > before * var('held_when_lost_percent') | float
            and lost > var('held_when_lost_more_than') | int)
    )) -%}
{%- endmacro %}


{% macro park_version_fault(name, fresh, base) -%}
    {%- set table = park_tables()[name] -%}
    {%- set now, before = fromjson(fresh.filled), fromjson(base.filled) -%}
    {%- set found = namespace(fault=none) -%}
    {%- if fresh['keys'] == 0 and base['keys'] > 0 -%}
        {%- do return('no_rows_left') -%}
    {%- endif -%}
    {%- for column in table.columns if found.fault is none -%}
        {%- set had, has = before[column] or 0, now[column] or 0 -%}
        {%- if column == (table.interval or [none]) | last -%}
            {#- Installations may all last; one end less is no reason to ask. -#}
            {%- if has == 0 and had > 1 -%}{%- set found.fault = 'lost_' ~ column -%}{%- endif -%}
        {%- elif column not in (table.identity or table.key) and is_loss(had, has)
            and not is_loss(base['keys'], fresh['keys']) -%}
            {%- set found.fault = 'lost_' ~ column -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if is_loss(base['keys'], fresh.kept) -%}
        {%- do return('lost_keys') -%}
    {%- endif -%}
    {%- do return(found.fault) -%}
{%- endmacro %}


{% macro park_imports() -%}
    {%- set ledger = source('raw', 'loader_batches') -%}
    {%- set imports = {} -%}
    {%- if execute and load_relation(ledger) is not none -%}
        {%- set names = [] -%}
        {%- for name in park_tables() -%}
            {%- for origin in ['park_', 'parc_'] -%}
                {%- do names.append("'" ~ ledger.schema ~ '.' ~ origin ~ name ~ "'") -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- for row in run_query(
            "select split_part(table_name, '.', -1), batch_id, max(coalesce(imported.mode, 'full')),"
            ~ " cast(max(committed_at) as string), sum(records) from " ~ ledger
            ~ " where table_name in (" ~ names | join(', ') ~ ") and state = 'committed'"
            ~ " and kind = 'load' and not exists(files, file -> file.checksum = '')"
            ~ " and not exists(gaps, gap -> gap.partition is null) group by 1, 2 order by 1, 2"
        ).rows if row[1] <= (read_up_to(source('raw', row[0])) or 0) -%}
            {%- do imports.setdefault(row[0], []).append({
                'version': row[0] ~ '/' ~ row[1] | int, 'raw_table': row[0], 'batch_id': row[1] | int,
                'mode': row[2], 'committed_at': row[3],
            }) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return(imports) -%}
{%- endmacro %}


{% macro park_stored_versions() -%}
    {%- set stored = {} -%}
    {%- if execute and load_relation(this) is not none -%}
        {%- for row in run_query(
            'select version, raw_table, batch_id, base_version, key_count, kept_count, filled, reason,'
            ~ ' is_current, is_held from ' ~ this ~ ' order by batch_id'
        ).rows -%}
            {%- do stored.update({row[0]: {
                'version': row[0], 'raw_table': row[1], 'batch_id': row[2] | int,
                'base_version': row[3], 'keys': row[4] | int,
                'kept': none if row[5] is none else row[5] | int, 'filled': row[6],
                'reason': row[7], 'is_current': row[8], 'is_held': row[9],
            }}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return(stored) -%}
{%- endmacro %}


{% macro refuse_a_lost_table(origin, last, accepted) -%}
    {%- set gone = origin.table ~ '/gone-after-' ~ last.batch_id -%}
    {%- if gone not in accepted -%}
        {%- do exceptions.raise_compiler_error(
            origin.relation ~ ' was imported before (batch ' ~ last.batch_id ~ ') and is not there now: it'
            ~ ' was dropped, its rows were deleted, or LACUSTRE_RAW_SCHEMA (' ~ origin.relation.schema ~ ') is misspelt. The'
            ~ ' park stays as it is. Correct the name or import the table again; or, if it is meant'
            ~ " so: dbt run-operation accept --args '{version: " ~ gone ~ ", reason: …}'"
        ) -%}
    {%- endif -%}
{%- endmacro %}


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
            {#- What was current stays the beginning; of a long history that is not known the newest. -#}
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
                    version ~ ' is held (' ~ each.fault ~ ', keys before: ' ~ each.before ~ ', of these left: '
                    ~ each.measure.kept ~ '); the version before stays. If it is meant so: dbt'
                    ~ " run-operation accept --args '{version: " ~ version ~ ", reason: …}'"
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
        {#- What was current and was not walked, since it came before or is of another origin. -#}
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

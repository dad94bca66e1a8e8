{#-
    One build at a time of the same models: a build stops with an error that names the other build,
    if it would write a model that the other one writes, or a model upstream or downstream of it.
    Each running build has a row in the table `builds`. Appends are safe without it
    (`get_insert_into_sql`). Merges, snapshots and `create or replace` of two builds would conflict,
    or one build would read unfinished results of the other.

    A build whose process is dead does not count. For builds of this machine `modules.lacustre`
    (`dbt_lacustre.py`) checks the process. A build on another machine counts as dead after
    `build_expires_after_hours`, or after `dbt run-operation release_build`.
-#}
{% macro take_build() -%}
    {#- Each run first prints which server and schemas it uses. -#}
    {%- if execute -%}
        {%- do log(
            'Spark Thrift at ' ~ target.host ~ ':' ~ target.port ~ '; raw schema '
            ~ env_var('LACUSTRE_RAW_SCHEMA', 'raw') ~ ', schemas ' ~ generate_schema_name('staging', none)
            ~ ', ' ~ generate_schema_name('lake', none) ~ ', …', info=true
        ) -%}
    {%- endif -%}
    {%- set written = [] -%}
    {%- if execute and flags.WHICH in ['build', 'run', 'snapshot', 'seed', 'retry', 'clone'] -%}
        {%- for id in selected_resources
            if id.split('.')[0] in ['model', 'snapshot', 'seed']
            and graph.nodes[id].config.materialized != 'ephemeral' -%}
            {%- do written.append(id) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for id in written if id.startswith('model.') -%}
        {%- set node = graph.nodes[id] -%}
        {%- set table = api.Relation.create(schema=node.schema, identifier=node.alias) -%}
        {%- if not flags.FULL_REFRESH and not node.config.full_refresh
            and load_cached_relation(table) is not none -%}
            {#- If this build does not recreate the table, its columns stay, and views on it need no
                analysis. -#}
            {%- do this_build()['found'].update({id: true}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if written -%}
        {%- set ours = modules.get('lacustre') or {} -%}
        {%- set table, near = builds_table(), near_builds(written) -%}
        {%- set now = modules.datetime.datetime.now(modules.pytz.utc) -%}
        {%- set mine = [
            invocation_id, ours.get('owner', ''), ours.get('user', target.user or ''),
            now.strftime('%Y-%m-%d %H:%M:%S'), now.timestamp() | int | string, written | join(' ')
        ] -%}
        {%- if load_relation(table) is none -%}
            {%- do run_query('create schema if not exists ' ~ table.without_identifier()) -%}
            {%- do until_done(
                'create table if not exists ' ~ table ~ ' (build string, owner string, user_name string,'
                ~ ' since string, since_seconds string, nodes string) using delta'
            ) -%}
        {%- endif -%}
        {%- set state = namespace(outcome='again') -%}
        {%- for turn in range(30) if state.outcome != 'taken' -%}
            {%- set known, dead = [''], [] -%}
            {%- for row in run_query('select * from ' ~ table).rows -%}
                {%- do known.append(row[0]) -%}
                {%- set here = ours and ours.is_here(row[1]) -%}
                {%- set age = now.timestamp() - row[4] | int -%}
                {#- A process runs one build at a time, so an earlier build of this process has
                    ended. -#}
                {%- if row[1] == mine[1] and here or here and not ours.is_alive(row[1])
                    or not here and age > var('build_expires_after_hours', 12) * 3600 -%}
                    {%- do dead.append(row[0]) -%}
                {%- else -%}
                    {%- set same = row[5].split(' ') | select('in', near) | list -%}
                    {%- if same -%}
                        {%- set who = row[1].split('/') if row[1] else ['unknown host', '?'] -%}
                        {{ exceptions.raise_compiler_error(
                            'Another build is under way: ' ~ row[2] ~ ' on ' ~ who[0] ~ ', process ' ~ who[1]
                            ~ ', since ' ~ row[3] ~ ' UTC. Relations that it writes and this build'
                            ~ ' reads or writes: ' ~ same | length ~ ', such as '
                            ~ same[0].split('.')[2] ~ '. Nothing was built; run again after it has'
                            ~ ' ended. If it is dead and ran on another machine: dbt run-operation'
                            ~ " release_build --args '{build: " ~ row[0] ~ "}'"
                        ) }}
                    {%- endif -%}
                {%- endif -%}
            {%- endfor -%}
            {#- The insert succeeds only if no other build came since the table was read. -#}
            {%- set state.outcome = until_done(
                'insert into ' ~ table ~ " select '" ~ mine | map('replace', "'", '') | join("', '")
                ~ "' where not exists (select 1 from " ~ table ~ " where build not in ('"
                ~ known | join("', '") ~ "'))",
                "select if(count(*) > 0, 'taken', 'again') from (select build from " ~ table
                ~ " where build = '" ~ invocation_id ~ "')"
            ) -%}
            {%- do this_build().update({'ended': dead + [invocation_id]}) -%}
        {%- endfor -%}
        {%- if state.outcome != 'taken' -%}
            {{ exceptions.raise_compiler_error(
                'This build could not be registered in 30 attempts, because other builds kept'
                ~ ' starting; run again.'
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{% macro near_builds(written) -%}
    {%- set below, above = {}, {} -%}
    {%- for id in written -%}
        {%- do below.update({id: true}) -%}
        {%- do above.update({id: true}) -%}
    {%- endfor -%}
    {%- set state = namespace(grows=true) -%}
    {%- for turn in range(100) if state.grows -%}
        {%- set size = below | length + above | length -%}
        {%- for id, node in graph.nodes.items() if node.resource_type in ['model', 'snapshot', 'seed'] -%}
            {%- for parent in node.depends_on.nodes or [] -%}
                {%- if parent in below -%}{%- do below.update({id: true}) -%}{%- endif -%}
                {%- if id in above -%}{%- do above.update({parent: true}) -%}{%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- set state.grows = below | length + above | length > size -%}
    {%- endfor -%}
    {%- do return(below.keys() | list + above.keys() | list) -%}
{%- endmacro %}

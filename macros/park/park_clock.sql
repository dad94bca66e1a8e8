{% macro park_clock() -%}
    {#- The time when the present content of the park's tables became known, as a timestamp literal:
        the time of the newest current import, or of the decision to use it; the server's clock has
        no influence. All snapshots of a build use the same time. It is later than every time in the
        snapshots, so `park_known_at` shows each change. -#}
    {%- set build = this_build() -%}
    {%- if execute and 'park_clock' not in build -%}
        {%- set versions = api.Relation.create(
            schema=generate_schema_name('staging', none), identifier='stg_park__versions'
        ) -%}
        {%- set times = [
            'select max(committed_at) as at from ' ~ versions ~ ' where is_current',
            'select max(decided_at) as at from ' ~ versions_decided('accept') ~ ' as accepted'
            ~ ' where version in (select version from ' ~ versions ~ ' where is_current)',
        ] -%}
        {%- for name in park_snapshots() if snapshot_relation(name) is not none -%}
            {%- do times.append(
                "select at + interval '0.000001' second as at from ("
                ~ last_change_of(snapshot_relation(name)) ~ ') as held'
            ) -%}
        {%- endfor -%}
        {%- do build.update({'park_clock': newest_of(times | join(' union all '))}) -%}
    {%- endif -%}
    {{- build.get('park_clock', 'current_timestamp()') -}}
{%- endmacro %}

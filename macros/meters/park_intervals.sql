{% macro park_intervals(installations, of, at) -%}
    {#-
        The rule for overlaps: on each day the installation of `of` that began last counts; of those
        that began on the same day the one that ends last; then the higher `at`. Gives rows of `of`
        that never overlap: equipment_type, `of`, `at`, valid_from, valid_to. Intervals at the same
        place that follow each other without a gap are one.
        installations: relation with equipment_type, `of`, `at`, valid_from and valid_to (exclusive).
    -#}
    (
        with equipment as (
            select
                equipment_type,
                {{ of }},
                collect_list(struct(
                    valid_from, coalesce(valid_to, date '9999-12-31') as valid_to, {{ at }}
                )) as installations,
                array_sort(array_union(
                    collect_set(valid_from), collect_set(coalesce(valid_to, date '9999-12-31'))
                )) as cuts
            from {{ installations }}
            group by equipment_type, {{ of }}
        ),

        segments as (
            select
                equipment_type,
                {{ of }},
                cut_on,
                get(cuts, number + 1) as next_on,
                -- The one that counts is the highest by its begin, its end and `at`.
                array_max(filter(
                    installations, one -> one.valid_from <= cut_on and cut_on < one.valid_to
                )).{{ at }} as {{ at }}
            from equipment
                lateral view posexplode(cuts) exploded as number, cut_on
        ),

        marked as (
            select
                *,
                count_if(is_first) over (
                    partition by equipment_type, {{ of }} order by cut_on
                ) as island
            from (
                select
                    *,
                    not coalesce(
                        lag({{ at }}) over by_day = {{ at }} and lag(next_on) over by_day = cut_on,
                        false
                    ) as is_first
                from segments
                where {{ at }} is not null
                window by_day as (partition by equipment_type, {{ of }} order by cut_on)
            ) as compared
        )

        select
            equipment_type,
            {{ of }},
            {{ at }},
            min(cut_on) as valid_from,
            nullif(max(next_on), date '9999-12-31') as valid_to
        from marked
        group by equipment_type, {{ of }}, {{ at }}, island
    )
{%- endmacro %}


{% macro park_known_at() -%}
    {#- When the snapshots last saw the park change (park_clock), as a timestamp literal: the clock of the
        park's history, as batch_id is that of events. -#}
    {%- set times = [] -%}
    {%- for snapshot in park_snapshots() -%}
        {%- do times.append(last_change_of(ref(snapshot))) -%}
    {%- endfor -%}
    {%- do return(newest_of(times | join(' union all '))) -%}
{%- endmacro %}


{% macro park_snapshots() -%}
    {#- The names of the snapshots of the park's tables. -#}
    {%- do return([
        'snap_park__equipment', 'snap_park__places', 'snap_park__installations', 'snap_park__communes'
    ]) -%}
{%- endmacro %}


{% macro last_change_of(snapshot) -%}
    {#- A query for `at`, the newest time at which a version of `snapshot`, a relation, began or ended. -#}
    select max(greatest(dbt_valid_from, coalesce(dbt_valid_to, dbt_valid_from))) as at from {{ snapshot }}
{%- endmacro %}


{% macro park_clock() -%}
    {#- When what the park's tables say now became known, as a timestamp literal: the time of the newest
        current import, or of the decision to use it, whatever the clock of the server says. One time for
        all snapshots of a build, and later than what they held, so that `park_known_at` sees each change. -#}
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


{% macro newest_of(query) -%}
    {#- The highest `at` that `query` gives, as a timestamp literal to the microsecond; the epoch
        where it gives none. -#}
    {%- set newest = none -%}
    {%- if execute -%}
        {%- set newest = run_query(
            "select date_format(max(at), 'yyyy-MM-dd HH:mm:ss.SSSSSS') from (" ~ query ~ ")"
        ).columns[0][0] -%}
    {%- endif -%}
    {%- do return("timestamp '" ~ (newest or '1970-01-01 00:00:00.000000') ~ "'") -%}
{%- endmacro %}

{% macro park_intervals(installations, of, at) -%}
    {#-
        The rule for overlaps: on each day the installation of `of` that began last counts. If
        several began on that day, the one that ends last counts; then the one with the higher `at`.
        Returns rows of `of` that never overlap: equipment_type, `of`, `at`, valid_from, valid_to.
        Intervals at the same place without a gap between them become one.
        installations: relation with equipment_type, `of`, `at`, valid_from and valid_to
        (exclusive).
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
                -- The installation that counts is the highest by its begin, its end and `at`.
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

{% macro meter_calendar() -%}
    {#- Periods from the first to the last day with events, those of wrong clocks aside: period,
        period_start, the days of it that lie in that range (from_on, to_on exclusive) and how many. -#}
    select
        periods.period,
        periods.period_start,
        min(day) as from_on,
        date_add(max(day), 1) as to_on,
        count(*) as days
    from (
        select explode(sequence(first_on, last_on)) as day
        from (
            select min(occurred_on) as first_on, max(occurred_on) as last_on
            from {{ ref('meter_event_delays') }}
            where
                not is_future
                -- Copies alone leave a row without events.
                and events > 0
                and delay_minutes <= {{ var('meter_clock_wrong_after_days') }} * 24 * 60
        ) as range_of_days
    ) as all_days
        {{ each_period('day') }}
    group by all
{%- endmacro %}


{% macro meter_service() -%}
    {#- The intervals of meter_park, and on how many days of each period of the CTE `calendar` they
        were in force. -#}
    select
        calendar.period,
        calendar.period_start,
        calendar.days,
        park.*,
        datediff(
            least(coalesce(park.valid_to, calendar.to_on), calendar.to_on),
            greatest(park.valid_from, calendar.from_on)
        ) as days_in_service
    from {{ ref('meter_park') }} as park
    inner join calendar
        on
            park.valid_from < calendar.to_on
            and (park.valid_to is null or park.valid_to > calendar.from_on)
{%- endmacro %}


{% macro meter_counts_of_calendar() -%}
    {#- Rows of meter_event_counts of the days of the CTE `calendar`, whose events are without those of
        clocks that were ahead. -#}
    (
        select
            counts.* except (events, future_events),
            counts.events - counts.future_events as events
        from {{ ref('meter_event_counts') }} as counts
        inner join (
            select min(from_on) as from_on, max(to_on) as to_on from calendar
        ) as range_of_days
            on
                counts.occurred_on >= range_of_days.from_on
                and counts.occurred_on < range_of_days.to_on
        where counts.events > counts.future_events
    )
{%- endmacro %}


{% macro meter_dimensions(park, equipment=none) -%}
    {#- A lateral view that repeats a row for each part of the park that it belongs to: dimension,
        code (null where it has none) and label of `parts`. park: alias of rows of meter_park;
        equipment: of rows of meter_equipment, whose manufacturer counts where there is no place. -#}
    lateral view explode(array(
        struct('all' as dimension, 'all' as code, cast(null as string) as label)
        {%- for dimension, code, label in [
            ('region', 'region_code', 'region_label'),
            ('departement', 'departement_code', 'departement_label'),
            ('commune', 'commune_code', 'commune_label'),
            ('pdk', 'pdk_id', none),
            ('concentrator', 'concentrator_id', none),
            ('manufacturer', 'manufacturer_id', none),
        ] %},
        struct(
            '{{ dimension }}' as dimension,
            cast({{ equipment if equipment and dimension == 'manufacturer' else park }}.{{ code }} as string) as code,
            {{ park ~ '.' ~ label if label else 'cast(null as string)' }} as label
        )
        {%- endfor %}
    )) exploded_parts as parts
{%- endmacro %}

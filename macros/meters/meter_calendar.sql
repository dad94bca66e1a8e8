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

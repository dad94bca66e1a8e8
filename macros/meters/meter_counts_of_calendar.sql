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

-- Events compared with the previous period and with the same period a year before, for all events
-- and each part of the park. A week is compared with the ISO week of the same number. 29 February
-- and most weeks 53 have no period a year before. A period without events has a row only if the
-- previous period had events.
with bounds as (
    select
        period,
        min(period_start) as first_start,
        max(period_start) as last_start
    from {{ ref('int_meters__calendar') }}
    group by period
),

counted as (
    select
        periods.period,
        periods.period_start,
        parts.dimension,
        parts.code,
        parts.label,
        counts.event_type,
        sum(counts.events) as events
    from {{ ref('meter_event_counts') }} as counts
    left join {{ ref('meter_park') }} as park on counts.park_key = park.park_key
    left join {{ ref('meter_equipment') }} as equipment
        on
            counts.equipment_type = equipment.equipment_type
            and counts.equipment_id = equipment.equipment_id
        {{ each_period('counts.occurred_on') }}
        {{ meter_dimensions('park', 'equipment') }}
    where parts.code is not null
    group by
        periods.period, periods.period_start, parts.dimension, parts.code, parts.label,
        counts.event_type
),

followed as (
    select
        counted.*,
        bounds.first_start,
        case counted.period
            when 'day' then date_add(counted.period_start, 1)
            when 'week' then date_add(counted.period_start, 7)
            when 'month' then add_months(counted.period_start, 1)
            else add_months(counted.period_start, 12)
        end as next_start,
        bounds.last_start,
        lead(counted.period_start) over (
            partition by counted.period, counted.dimension, counted.code, counted.event_type
            order by counted.period_start
        ) as following_start
    from counted
    left join bounds on counted.period = bounds.period
),

filled as (
    select * except (next_start, last_start, following_start)
    from followed
    union all
    -- Periods without events after a period with events.
    select
        period,
        next_start as period_start,
        dimension,
        code,
        label,
        event_type,
        0L as events,
        first_start
    from followed
    where
        period_start >= first_start
        and next_start <= last_start
        and (following_start is null or following_start > next_start)
),

dated as (
    select
        *,
        case period
            when 'day' then date_sub(period_start, 1)
            when 'week' then date_sub(period_start, 7)
            when 'month' then add_months(period_start, -1)
            else add_months(period_start, -12)
        end as previous_start,
        case
            when period != 'week'
                then if(
                    day(add_months(period_start, -12)) = day(period_start),
                    add_months(period_start, -12), null
                )
            when
                {{ iso_week('date_sub(period_start, 364)', 'number') }}
                = {{ iso_week('period_start', 'number') }}
                then date_sub(period_start, 364)
            when
                {{ iso_week('date_sub(period_start, 371)', 'number') }}
                = {{ iso_week('period_start', 'number') }}
                then date_sub(period_start, 371)
        end as year_before_start
    from filled
),

compared as (
    select
        dated.*,
        -- Nothing is known about the time before the first period.
        if(
            dated.previous_start >= dated.first_start, coalesce(previous.events, 0), null
        ) as previous_events,
        if(
            dated.year_before_start >= dated.first_start, coalesce(year_before.events, 0), null
        ) as year_before_events
    from dated
    {% for other in ['previous', 'year_before'] %}
    left join counted as {{ other }}
        on
            dated.period = {{ other }}.period
            and dated.{{ other }}_start = {{ other }}.period_start
            and dated.dimension = {{ other }}.dimension
            and dated.code = {{ other }}.code
            and dated.event_type = {{ other }}.event_type
    {% endfor %}
)

select
    period,
    period_start,
    dimension,
    code,
    label,
    event_type,
    events,
    previous_events,
    events - previous_events as change_from_previous,
    cast(try_divide(events - previous_events, previous_events) as double)
        as relative_change_from_previous,
    year_before_events,
    events - year_before_events as change_from_year_before,
    cast(try_divide(events - year_before_events, year_before_events) as double)
        as relative_change_from_year_before
from compared

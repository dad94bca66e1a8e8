-- Events per 1,000 equipments in service, for the whole park and each part of it.
with served as (
    select
        service.period,
        service.period_start,
        parts.dimension,
        parts.code,
        -- If a code has several names, one of them: a name does not make a part of its own.
        max(parts.label) as label,
        service.equipment_type,
        count(distinct service.equipment_id) as equipments,
        sum(service.days_in_service) as equipment_days,
        max(service.days) as days
    from {{ ref('int_meters__service_days') }} as service
        {{ meter_dimensions('service') }}
    where parts.code is not null
    group by
        service.period, service.period_start, parts.dimension, parts.code, service.equipment_type
),

counted as (
    select
        periods.period,
        periods.period_start,
        parts.dimension,
        parts.code,
        counts.equipment_type,
        counts.event_type,
        sum(counts.events) as events
    from {{ ref('int_meters__calendar_counts') }} as counts
    inner join {{ ref('meter_park') }} as park on counts.park_key = park.park_key
        {{ each_period('counts.occurred_on') }}
        {{ meter_dimensions('park') }}
    where parts.code is not null
    group by
        periods.period, periods.period_start, parts.dimension, parts.code,
        counts.equipment_type, counts.event_type
)

select
    served.period,
    served.period_start,
    served.dimension,
    served.code,
    served.label,
    served.equipment_type,
    counted.event_type,
    coalesce(counted.events, 0) as events,
    served.equipments,
    served.equipment_days,
    cast(
        1000 * coalesce(counted.events, 0) * served.days / served.equipment_days as double
    ) as events_per_1000
from served
left join counted
    on
        served.period = counted.period
        and served.period_start = counted.period_start
        and served.dimension = counted.dimension
        and served.code = counted.code
        and served.equipment_type = counted.equipment_type

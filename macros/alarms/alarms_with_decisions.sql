{% macro alarms_with_decisions(log, domain) -%}
    {#- A log of alarms, with who acknowledged each alarm and whether it is open. An alarm is open
        if it is present and nobody has acknowledged this version of it. log: the relation; domain:
        its name. -#}
    select
        log.alarm,
        '{{ domain }}' as domain,
        log.subject,
        log.detail,
        log.first_seen_at,
        log.last_seen_at,
        log.is_present,
        decided.acknowledged_at is not null as is_acknowledged,
        log.is_present and decided.acknowledged_at is null as is_open,
        decided.acknowledged_at,
        decided.acknowledged_by,
        decided.acknowledged_because,
        log.version
    from {{ log }} as log
    left join (
        select
            subject,
            version,
            max(decided_at) as acknowledged_at,
            max_by(decided_by, decided_at) as acknowledged_by,
            max_by(reason, decided_at) as acknowledged_because
        from {{ decisions() }} as decisions
        where decision = 'acknowledge'
        group by subject, version
    ) as decided
        on decided.subject = concat(log.alarm, ': ', log.subject) and decided.version = log.version
{%- endmacro %}

{#-
    An alarm is about what the data say, not about what this project did with it: it warns and stops
    nothing. A log table per domain (layer `alarms`) keeps each alarm about a subject once, a view shows
    it with what people decided, and a data test per alarm counts what is open.
-#}
{% macro alarm_log(found) -%}
    {#- The rows that an incremental model of alarms merges by `alarm_key`: what is wrong now, and
        what it has and is wrong no more. found: relation with alarm, subject (what it is about), version
        (a hash of what was found, which changes with it) and detail, one row per alarm and subject. -#}
    {%- if is_incremental() %}
    {#- One join, so that what is wrong now is looked for once. -#}
    select
        coalesce(held.alarm_key, {{ surrogate_key(['now.alarm', 'now.subject']) }}) as alarm_key,
        coalesce(now.alarm, held.alarm) as alarm,
        coalesce(now.subject, held.subject) as subject,
        coalesce(now.version, held.version) as version,
        coalesce(now.detail, held.detail) as detail,
        coalesce(held.first_seen_at, current_timestamp()) as first_seen_at,
        if(now.alarm is null, held.last_seen_at, current_timestamp()) as last_seen_at,
        now.alarm is not null as is_present
    from {{ found }} as now
    full outer join {{ this }} as held on now.alarm = held.alarm and now.subject = held.subject
    where now.alarm is not null or held.is_present
    {%- else %}
    select
        {{ surrogate_key(['now.alarm', 'now.subject']) }} as alarm_key,
        now.alarm,
        now.subject,
        now.version,
        now.detail,
        current_timestamp() as first_seen_at,
        current_timestamp() as last_seen_at,
        true as is_present
    from {{ found }} as now
    {%- endif %}
{%- endmacro %}


{% macro alarms_with_decisions(log, domain) -%}
    {#- A log of alarms with who acknowledged what, and whether an alarm is open: it is wrong now, and
        nobody has acknowledged this version of it. log: the relation; domain: its name. -#}
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


{% macro acknowledge(alarm, reason, subject='%') -%}
    {#- `dbt run-operation acknowledge --args '{alarm: unknown_goals, subject: "site 5, %", reason: …}'`:
        notes that a person has seen what is open of an alarm, so that it warns no more until what was
        found changes. alarm: its name; reason: why it is all right; subject: what it is about, all by
        default; % stands for any text. -#}
    {%- if not (reason or '') | string | trim -%}
        {%- do exceptions.raise_compiler_error('A decision needs a reason: add reason to --args.') -%}
    {%- endif -%}
    {%- if execute -%}
        {%- set is_meant = 'is_open and alarm = ' ~ text_literal(alarm)
            ~ ' and subject like ' ~ text_literal(subject) -%}
        {%- set meant = run_query(
            'select subject, version from ' ~ ref('matomo_alarms') ~ ' where ' ~ is_meant
            ~ ' order by subject'
        ).rows -%}
        {%- if meant | length == 0 -%}
            {%- do exceptions.raise_compiler_error(
                'No open alarm ' ~ alarm ~ ' is about ' ~ subject ~ '; ' ~ ref('matomo_alarms')
                ~ ' shows which are open.'
            ) -%}
        {%- endif -%}
        {%- for row in meant -%}
            {%- do record_decision('acknowledge', alarm ~ ': ' ~ row[0], row[1], reason) -%}
        {%- endfor -%}
        {%- do log(
            'Acknowledged ' ~ alarm ~ ' about ' ~ meant | map(attribute=0) | join('; '), info=true
        ) -%}
    {%- endif -%}
{%- endmacro %}

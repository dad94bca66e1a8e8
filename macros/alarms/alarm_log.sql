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

{#-
    An alarm is a finding about the data, not a fault of this project: it warns and stops nothing.
    Each domain has a log table (layer `alarms`) with one row per alarm and subject, a view that
    adds people's decisions, and a data test per alarm that counts its open rows.
-#}
{% macro alarm_log(found) -%}
    {#- The rows that an incremental model of alarms merges by `alarm_key`: the present findings,
        and those of its table that are no longer found. found: relation with alarm, subject (what
        the alarm is about), version (a hash of the finding, which changes with it) and detail, one
        row per alarm and subject. -#}
    {%- if is_incremental() %}
    {#- A single join, so that `found` is evaluated once. -#}
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

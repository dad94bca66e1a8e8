-- Alarms about Matomo's data for people: which are open, gone or acknowledged, and by whom.
{{ alarms_with_decisions(ref('matomo_alarm_log'), 'matomo') }}

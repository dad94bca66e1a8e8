-- What is wrong with Matomo's data, for people: what is open, gone or acknowledged, and by whom.
{{ alarms_with_decisions(ref('matomo_alarm_log'), 'matomo') }}

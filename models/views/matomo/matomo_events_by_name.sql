-- Matomo's Events.getName.
{{ matomo_events_by('event_name') }}

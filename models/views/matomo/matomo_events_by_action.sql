-- Matomo's Events.getAction.
{{ matomo_events_by('event_action') }}

-- Matomo's Events.getCategory.
{{ matomo_events_by('event_category') }}

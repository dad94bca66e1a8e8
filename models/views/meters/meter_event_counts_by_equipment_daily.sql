{{ meter_event_counts('equipment', 'daily') }}

{{ meter_event_counts('type', 'daily') }}

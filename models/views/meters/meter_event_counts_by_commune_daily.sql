{{ meter_event_counts('commune', 'daily') }}

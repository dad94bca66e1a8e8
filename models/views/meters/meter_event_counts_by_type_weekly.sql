{{ meter_event_counts('type', 'weekly') }}

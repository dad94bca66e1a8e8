{{ meter_event_counts('type', 'monthly') }}

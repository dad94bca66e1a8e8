{{ meter_event_counts('commune', 'monthly') }}

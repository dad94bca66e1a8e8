{{ meter_event_counts('commune', 'weekly') }}

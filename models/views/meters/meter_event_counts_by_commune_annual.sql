{{ meter_event_counts('commune', 'annual') }}

{{ meter_event_counts('type', 'annual') }}

{{ meter_event_counts('equipment', 'annual') }}

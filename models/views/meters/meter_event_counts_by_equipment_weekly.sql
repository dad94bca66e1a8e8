{{ meter_event_counts('equipment', 'weekly') }}

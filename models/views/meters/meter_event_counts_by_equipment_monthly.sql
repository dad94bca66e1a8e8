{{ meter_event_counts('equipment', 'monthly') }}

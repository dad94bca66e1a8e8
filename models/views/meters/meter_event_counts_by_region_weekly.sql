{{ meter_event_counts('region', 'weekly') }}

{{ meter_event_counts('region', 'monthly') }}

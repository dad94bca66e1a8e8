{{ meter_event_counts('region', 'annual') }}

{{ meter_event_counts('region', 'daily') }}

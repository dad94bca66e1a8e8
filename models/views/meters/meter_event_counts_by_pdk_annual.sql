{{ meter_event_counts('pdk', 'annual') }}

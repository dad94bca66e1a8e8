{{ meter_event_counts('pdk', 'monthly') }}

{{ meter_event_counts('pdk', 'weekly') }}

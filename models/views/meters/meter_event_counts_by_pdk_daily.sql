{{ meter_event_counts('pdk', 'daily') }}

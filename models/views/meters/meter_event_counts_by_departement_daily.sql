{{ meter_event_counts('departement', 'daily') }}

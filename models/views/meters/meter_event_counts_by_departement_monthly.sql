{{ meter_event_counts('departement', 'monthly') }}

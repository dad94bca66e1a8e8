{{ meter_event_counts('departement', 'weekly') }}

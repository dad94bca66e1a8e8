{{ meter_event_counts('departement', 'annual') }}

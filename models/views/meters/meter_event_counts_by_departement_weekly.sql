{{ meter_event_statistic('departement', 'weekly') }}

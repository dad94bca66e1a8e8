{{ meter_event_statistic('departement', 'monthly') }}

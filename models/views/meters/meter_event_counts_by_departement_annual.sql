{{ meter_event_statistic('departement', 'annual') }}

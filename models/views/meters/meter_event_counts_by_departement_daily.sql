{{ meter_event_statistic('departement', 'daily') }}

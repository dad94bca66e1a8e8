{{ meter_event_statistic('commune', 'monthly') }}

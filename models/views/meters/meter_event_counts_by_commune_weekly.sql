{{ meter_event_statistic('commune', 'weekly') }}

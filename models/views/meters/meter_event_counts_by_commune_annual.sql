{{ meter_event_statistic('commune', 'annual') }}

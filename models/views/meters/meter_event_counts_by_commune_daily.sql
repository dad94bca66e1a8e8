{{ meter_event_statistic('commune', 'daily') }}

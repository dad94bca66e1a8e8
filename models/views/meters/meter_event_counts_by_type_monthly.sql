{{ meter_event_statistic('type', 'monthly') }}

{{ meter_event_statistic('type', 'weekly') }}

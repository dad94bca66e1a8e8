{{ meter_event_statistic('region', 'weekly') }}

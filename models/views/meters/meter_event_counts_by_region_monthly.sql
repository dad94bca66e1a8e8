{{ meter_event_statistic('region', 'monthly') }}

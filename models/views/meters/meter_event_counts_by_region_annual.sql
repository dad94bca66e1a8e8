{{ meter_event_statistic('region', 'annual') }}

{{ meter_event_statistic('type', 'annual') }}

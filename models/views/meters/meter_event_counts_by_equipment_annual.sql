{{ meter_event_statistic('equipment', 'annual') }}

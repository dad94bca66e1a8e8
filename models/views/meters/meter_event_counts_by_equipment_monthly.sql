{{ meter_event_statistic('equipment', 'monthly') }}

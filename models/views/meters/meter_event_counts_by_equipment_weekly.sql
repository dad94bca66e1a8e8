{{ meter_event_statistic('equipment', 'weekly') }}

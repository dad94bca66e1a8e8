{{ meter_event_statistic('equipment', 'daily') }}

{{ meter_event_statistic('type', 'daily') }}

{{ meter_event_statistic('region', 'daily') }}

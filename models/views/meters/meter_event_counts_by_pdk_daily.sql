{{ meter_event_statistic('pdk', 'daily') }}

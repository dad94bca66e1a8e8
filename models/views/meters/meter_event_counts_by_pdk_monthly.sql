{{ meter_event_statistic('pdk', 'monthly') }}

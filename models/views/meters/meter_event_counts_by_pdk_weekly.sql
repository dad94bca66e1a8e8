{{ meter_event_statistic('pdk', 'weekly') }}

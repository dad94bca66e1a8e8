{{ meter_event_statistic('pdk', 'annual') }}

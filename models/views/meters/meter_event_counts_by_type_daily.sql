{{ meter_event_counts('daily', ['event_type']) }}

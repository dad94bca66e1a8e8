{{ meter_event_counts('monthly', ['event_type']) }}

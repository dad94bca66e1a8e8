{{ meter_event_counts('weekly', ['event_type']) }}

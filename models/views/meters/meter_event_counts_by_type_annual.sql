{{ meter_event_counts('annual', ['event_type']) }}

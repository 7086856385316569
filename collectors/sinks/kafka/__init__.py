"""``sink://kafka``: records to another topic, or another cluster."""

"""Kafka as the event log: settings, topics, producers and consumers over aiokafka."""

"""The journal: a worker's write-ahead log of append-only segment files, and without Kafka the event log itself."""

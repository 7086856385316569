"""What an event is: typed events, Avro files, codec, topics, ids."""

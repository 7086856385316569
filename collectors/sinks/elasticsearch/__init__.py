"""``sink://elasticsearch``: documents in Elasticsearch or OpenSearch, each once."""

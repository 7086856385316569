"""Where documents live: tables, index names, templates; one small query interface over database and Elasticsearch."""

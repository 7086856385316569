"""``sink://webhook``: batches of documents, posted to a server of yours."""

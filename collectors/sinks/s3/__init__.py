"""``sink://s3``: objects whose names say which records they hold."""

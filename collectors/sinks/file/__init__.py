"""``sink://file``: files whose names say which records they hold."""

"""``archive``: every record of the log once, in files by hour with a manifest each, for years."""

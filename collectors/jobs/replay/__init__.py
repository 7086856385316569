"""``sluice replay``: a range of the log, once more, to a sink or a topic."""

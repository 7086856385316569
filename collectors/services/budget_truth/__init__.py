"""Budget truth: what was spent, counted from the log, each event once."""

"""Commands for operators: what is in the log, what of it is behind, what failed, and what may be deleted."""

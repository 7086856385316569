"""Compares what gateways reported with the log, and the log with what each sink holds."""

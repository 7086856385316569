"""Redaction: what of an exchange is kept from the log, or from a sink."""

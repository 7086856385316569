"""The proxy: one exchange from a client's first byte to its last, and the events that are left of it."""

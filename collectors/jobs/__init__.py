"""Commands that run to an end: what is in the log once more to where it belongs, in no live group's way."""

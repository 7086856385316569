"""Deletes from stores what is older, or more, than their operator wants to keep."""

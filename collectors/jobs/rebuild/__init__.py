"""Rebuilds: what the log says goes into a place of its own, is proved equal to it, and takes the place of what was."""

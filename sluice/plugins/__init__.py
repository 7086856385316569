"""The plugins we ship, each one file on ``sluice.sdk`` alone: what an outsider could have written."""

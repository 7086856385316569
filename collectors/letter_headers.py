"""The names of a dead letter's own headers, and a record's headers as texts."""

from __future__ import annotations

from sluice.eventlog.interface import PolledRecord

PREFIX = "dlq."
REDRIVES = "dlq.redrives"
"""Kept when a redriven record comes back: how often it was tried again."""
REDRIVEN_FROM = "dlq.redriven_from"
"""The id of the letter that this one took the place of: whoever sees it knows that one settled."""


def header_texts(record: PolledRecord) -> dict[str, str]:
    """By name, the last of each; whatever is no UTF-8 is replaced. Kafka has headers without a value: empty."""
    return {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}

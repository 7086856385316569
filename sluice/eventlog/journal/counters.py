"""What a journal and its readers count: plain integers, rendered by whoever serves metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class JournalCounters:
    """Of one writer, since it was opened."""

    batches: int = 0
    """Groups of entries written together."""
    records: int = 0
    """Records made durable."""
    bytes: int = 0
    """Bytes of entries made durable."""
    failed_batches: int = 0
    """Batches that could not be written; none of their records is in the journal."""
    late_batches: int = 0
    """Batches that took longer than ``journal.commit_timeout_seconds``."""
    cut_bytes: int = 0
    """Torn or damaged bytes cut from the end when the journal was opened."""
    damaged: int = 0
    """Damaged places found when the journal was opened."""
    segments_created: int = 0
    """Segment files begun."""
    segments_removed: int = 0
    """Segment files unlinked by retention."""
    groups_detached: int = 0
    """Reader groups that were too far behind and no longer hold space."""
    housekeeping_failures: int = 0
    """Times that rolling, retention or measuring failed; tried again a second later."""
    exchanges_dropped: int = 0
    """``on_full: drop``: exchanges answered without being recorded, for want of room."""
    exchanges_undurable: int = 0
    """Exchanges answered whose events could then not be written in time (``on_full: drop``, or mode ``fast``)."""
    exchanges_degraded: int = 0
    """``strict.on_timeout: degrade``: exchanges answered without Kafka's acknowledgement; the journal has them."""
    unflushed_bytes: int = 0
    """Mode ``fast``: what a crash would lose now."""


@dataclass(slots=True)
class ReaderCounters:
    """Of one reader, since it was made."""

    records: int = 0
    """Records handed out."""
    offset_mismatches: int = 0
    """Committed offsets that do not fit the segments; reading began again before them."""
    damaged: int = 0
    """Damaged places stepped over; the sequence numbers show what is missing."""
    unreadable_segments: int = 0
    """Segments without a sound header, skipped."""
    segments_gone: int = 0
    """Segments that were removed before this reader had opened them."""

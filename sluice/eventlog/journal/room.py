"""The room in a journal: what is on disk, what admitted exchanges have set aside, and what is left."""

from __future__ import annotations

from sluice.eventlog.settings import JournalSettings

_REFUSALS_SHARE = 5
"""The last fifth is not for refusals: a flood of bad tokens cannot fill the journal."""


class Room:
    """Counts in plain integers on the request path; looked at afresh each second (``measure``)."""

    def __init__(self, settings: JournalSettings) -> None:
        self._max_bytes = settings.max_bytes
        self._exchange_bytes = settings.max_exchange_bytes
        self._left = 0
        self.bound_bytes = 0
        """``journal.max_bytes``, or less where the file system has less."""
        self.reserved = 0
        """Exchanges that have room set aside."""
        self.is_stuck = False
        """Whether the disk does not answer: what is admitted now would only wait."""

    def measure(self, used_bytes: int, free_bytes: int) -> None:
        """Count anew from what lies in the directory and what the file system still has."""
        bound = self.bound_bytes = min(self._max_bytes, used_bytes + free_bytes)
        self._left = bound - used_bytes

    def use(self, size: int) -> None:
        """Bytes that were written since."""
        self._left -= size

    @property
    def left_bytes(self) -> int:
        """What may still be written, set aside or not; below 0 where more was written than the bound allows."""
        return self._left

    @property
    def used_bytes(self) -> int:
        """What lies in the directory."""
        return self.bound_bytes - self._left

    def has_room(self) -> bool:
        """Whether one more exchange would be admitted now."""
        return not self.is_stuck and (self.reserved + 1) * self._exchange_bytes <= self._left

    def reserve(self) -> bool:
        """Set one exchange's room aside, if there is."""
        if self.is_stuck or (self.reserved + 1) * self._exchange_bytes > self._left:
            return False
        self.reserved += 1
        return True

    def overbook(self) -> None:
        """Admit an exchange whether there is room or not; ``fits`` decides when its events are there."""
        self.reserved += 1

    def fits(self) -> bool:
        """Whether the largest exchange could be written now, whatever others have set aside."""
        return not self.is_stuck and self._exchange_bytes <= self._left

    def release(self) -> None:
        """Give one exchange's room back."""
        self.reserved -= 1

    def has_room_for_refusals(self) -> bool:
        """Whether four fifths are not used or set aside yet."""
        left = self._left - self.bound_bytes // _REFUSALS_SHARE
        return not self.is_stuck and self.reserved * self._exchange_bytes <= left

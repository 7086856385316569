"""Events that are encoded when they are needed, and together with those of others.

Between two exchanges that end in one turn of the loop lies everything else that a gateway does: it drives what encoding
needs out of the processor's caches. Encoded when their group is written, one after the other, they cost less.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, overload

if TYPE_CHECKING:
    from schemas.codec import EncodedEvent


class Builder(Hashable, Protocol):
    """Makes events of what it knows."""

    def build_all(self, subjects: Sequence[Any]) -> Sequence[Sequence[EncodedEvent]]:
        """The events of each; raises what is wrong with any."""
        ...


class Draft(Sequence["EncodedEvent"]):
    """The events of one exchange: encoded by ``encode_drafts``, or when somebody looks at them, who gets the error.

    Once encoded it has no ``subject`` any more: logs may keep drafts for longer than an exchange lasts, and count bytes
    of events alone.
    """

    __slots__ = ("builder", "encoded", "error", "subject")

    def __init__(self, builder: Builder, subject: Any) -> None:
        self.builder = builder
        self.subject = subject
        self.encoded: Sequence[EncodedEvent] | None = None
        self.error: Exception | None = None
        """Why ``encode_drafts`` could not encode them."""

    def events(self) -> Sequence[EncodedEvent]:
        """Encoded. Raises what the builder does."""
        if self.encoded is None:
            (events,) = self.builder.build_all([self.subject])
            self.encoded, self.subject = events, None
            return events
        return self.encoded

    @overload
    def __getitem__(self, index: int) -> EncodedEvent: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[EncodedEvent]: ...
    def __getitem__(self, index: int | slice) -> EncodedEvent | Sequence[EncodedEvent]:
        return self.events()[index]

    def __len__(self) -> int:
        return len(self.events())

    def __iter__(self) -> Iterator[EncodedEvent]:
        return iter(self.events())


def encode_drafts(drafts: Sequence[Draft]) -> None:
    """Encode those that are not yet, the ones of each builder together. One that cannot be encoded has an ``error``,
    and is no harm to others."""
    if len(drafts) == 1:  # the usual group of a gateway that is not busy
        _encode_alone(drafts[0])
        return
    due: dict[Builder, tuple[list[Draft], list[Any]]] = {}
    for draft in drafts:
        if draft.encoded is None:
            group, subjects = due.get(draft.builder) or due.setdefault(draft.builder, ([], []))
            group.append(draft)
            subjects.append(draft.subject)
    for builder, (group, subjects) in due.items():
        try:
            built = builder.build_all(subjects)
        except Exception:  # noqa: BLE001 - whose it is shows when each is encoded alone
            built = ()
        if len(built) != len(group):
            for draft in group:
                _encode_alone(draft)
            continue
        for at, draft in enumerate(group):
            draft.encoded, draft.subject = built[at], None


def _encode_alone(draft: Draft) -> None:
    try:
        draft.events()
    except Exception as error:  # noqa: BLE001 - whoever waits for the draft is told
        draft.error = error

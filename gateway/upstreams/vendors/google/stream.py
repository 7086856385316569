"""Google's two ways of streaming, read beside the bytes: server-sent events, and the elements of one JSON array.

Every element counts all that came so far; the last count is the usage. Server-sent events have no terminal one: a
stream is whole when its candidates say why they finished, and its last byte is the end of the chunked coding. An
array's is its bracket.
"""

from __future__ import annotations

import re

from gateway.upstreams.sse_frames import FRAME_END
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.google.paths import Place
from gateway.upstreams.vendors.google.request import plain_name
from gateway.upstreams.vendors.google.wire import (
    Candidate,
    decode_response,
    has_maps,
    note_grounding,
    searches_in,
)
from gateway.upstreams.vendors.openai.wire import MAX_CHOICES
from gateway.upstreams.vendors.scanning import (
    FrameScanner,
    JsonArrayScanner,
    SseFrame,
    SseScanner,
    Verdict,
    elements_of,
)
from sluice.usage.google import usage_of
from sluice.usage.reading import UNREADABLE

_DATA = re.compile(rb"(?:[a-z]+:|:)")
"""What lines of server-sent events begin with, and JSON does not."""
_OTHER_CANDIDATE = re.compile(rb'"index": ?[1-9]')
_MAX_SEARCHES = 256
"""More are not told apart; no answer has more than some dozens."""


class _Elements:
    """What the elements of one stream say together. Those that only go on are not read, but for the last of them."""

    def __init__(self, model: str) -> None:
        self.answer = Answer(model=plain_name(model))
        self._unread = b""
        """The last bytes that count and were not read."""
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._is_blocked = False
        self._has_failed = False
        self._searches: set[str] = set()
        self._has_maps = False

    def may_matter(self, chunk: bytes) -> bool:
        """Whether some element finishes, is blocked, calls or searches, or counts nothing, as errors do; of others the
        last is kept."""
        find = chunk.rfind  # half the time of ``in``
        if find(b'Reason"') >= 0 or find(b'functionCall"') >= 0 or find(b'groundingMetadata"') >= 0:
            return True
        if find(b'usageMetadata"') < 0:
            return True
        self._unread = chunk
        return False

    def note(self, data: bytes) -> None:
        """Take note of an element; what is no JSON of the kind says nothing."""
        try:
            element = decode_response(data)
        except UNREADABLE:
            return
        answer = self.answer
        found = usage_of(element.usage)
        if found.usage is None or _OTHER_CANDIDATE.search(self._unread):
            self._read_unread()  # which came before
        self._unread = b""
        if found.usage is not None:
            answer.usage, answer.raw_usage, answer.problem = found
        elif found.text is not None:
            answer.raw_usage, answer.problem = answer.raw_usage or found.text, found.problem or "wrong_type"
        if element.version:
            answer.model = plain_name(element.version)
        self._has_failed = self._has_failed or bytes(element.error) not in {b"", b"null"}
        if element.candidates:
            self._note_candidates(element.candidates)
        self._is_blocked = self._is_blocked or b'"blockReason"' in bytes(element.feedback)

    def _note_candidates(self, candidates: list[Candidate]) -> None:
        answer = self.answer
        for candidate in candidates:
            index = min(max(candidate.index or 0, 0), MAX_CHOICES - 1)
            self._seen.add(index)
            if candidate.finish_reason:
                self._finished.add(index)
            answer.tool_calls += candidate.calls
            if candidate.grounding_metadata is not None and len(self._searches) < _MAX_SEARCHES:
                self._searches |= searches_in((candidate,))
                self._has_maps = self._has_maps or has_maps((candidate,))
        answer.choices = len(self._seen)

    def settled(self) -> Answer:
        """What all that came so far says; not whole yet where candidates go on."""
        self._read_unread()
        answer = self.answer
        is_whole = self._seen == self._finished if self._seen else self._is_blocked
        if self._has_failed:
            answer.problem = "vendor_error"
        elif answer.usage is not None and not is_whole:
            answer.problem = answer.problem or "truncated"
        note_grounding(answer, self._searches, has_maps=self._has_maps)
        return answer

    def _read_unread(self) -> None:
        """The last element in it that counts, and what came behind that: errors do not count."""
        chunk, self._unread = self._unread, b""
        if not chunk:
            return
        is_events = _DATA.match(chunk) is not None
        frames = [_data_of(frame) for frame in FRAME_END.split(chunk)] if is_events else elements_of(chunk)
        counting = [place for place, data in enumerate(frames) if b'usageMetadata"' in data]
        for data in frames[counting[-1] if counting else 0 :]:
            self.note(data)


def _data_of(frame: bytes) -> bytes:
    return b"\n".join([line[5:].strip() for line in frame.splitlines() if line[:5] == b"data:"])


class _OfGoogle(FrameScanner):
    """What both have in common: what their elements say."""

    def __init__(self, place: Place) -> None:
        self._elements = _Elements(place.model)
        super().__init__()
        self.looks_left = 0  # each names the model, the last too

    @property
    def answer(self) -> Answer:
        """What came so far: what is not read yet is read when somebody asks."""
        return self._elements.settled()

    @answer.setter
    def answer(self, answer: Answer) -> None:
        """Its own is there already."""

    def may_matter(self, chunk: bytes) -> bool:
        """What finishes, calls or searches."""
        return self._elements.may_matter(chunk)


class GoogleStream(_OfGoogle, SseScanner):
    """Scans one stream of server-sent events; see ``StreamScanner``."""

    has_end = False

    def inspect(self, frame: SseFrame) -> Verdict:
        """Nothing is held or hidden."""
        self._elements.note(frame.data)
        return "pass"


class GoogleArray(_OfGoogle, JsonArrayScanner):
    """Scans one stream that is a JSON array; see ``StreamScanner``."""

    def inspect(self, element: bytes) -> Verdict:
        """Nothing is held but the bracket."""
        self._elements.note(element)
        return "pass"

"""Bedrock's event streams, read beside the bytes.

A stream of ``converse-stream`` ends with ``metadata``, which counts; one of ``invoke-with-response-stream`` with a
chunk that carries Bedrock's own metrics beside whatever the model says last. Both are held, as is an exception, behind
which nothing comes.
"""

from __future__ import annotations

import binascii
import re
import struct
from abc import abstractmethod
from typing import Final
from zlib import crc32

import msgspec

from gateway.upstreams.sse_frames import MAX_FRAME_BYTES
from gateway.upstreams.vendors.bedrock.chunks import ChunkEvent, read_chunk
from gateway.upstreams.vendors.bedrock.wire import (
    ABSENT,
    Counts,
    ToolUse,
    add_billed,
    counted_beside,
    note_metadata,
)
from gateway.upstreams.vendors.dialect import Answer
from gateway.upstreams.vendors.scanning import EventMessage, EventStreamScanner, Verdict
from sluice.money.usage import Usage
from sluice.usage.anthropic import merged
from sluice.usage.bedrock import METRICS, complete, usage_of_body, usage_of_converse
from sluice.usage.counts import Counted, raw_text

_PRELUDE = struct.Struct(">III")
_MIN_BYTES: Final = 16
_EXCEPTION: Final = b"exception"
_VENDOR_ERROR = "vendor_error"


class _Start(msgspec.Struct):
    toolUse: ToolUse | None = None  # noqa: N815 - the vendor's name


class _BlockStart(msgspec.Struct):
    start: _Start | None = None


class _Chunk(msgspec.Struct):
    bytes: str = ""


class _Bedrock(EventStreamScanner):
    """What both have in common: exceptions."""

    def __init__(self) -> None:
        super().__init__()
        self.looks_left = 0  # no event but those that matter says anything
        self._is_final = False
        """Whether what is counted is all there is."""

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that may go out now. Nearly all messages come one by one, whole, and need no cutting."""
        if self._rest or self.ended or self._is_lost or self._too_large is not None or not _is_one(chunk):
            return super().feed(chunk)
        verdict = self._judge(chunk)
        if verdict == "hold":
            self._held, self.ended = chunk, True
            return b""
        return chunk

    def inspect(self, message: EventMessage) -> Verdict:
        """Take note of a message."""
        headers = message.headers
        if headers.get(":message-type", "event") != "event":
            self._fail()
            return "hold"
        try:
            return self._note(headers.get(":event-type", ""), message.payload)
        except (msgspec.DecodeError, RecursionError, ValueError):
            self.answer.problem = self.answer.problem or "wrong_type"
            return "hold" if headers.get(":event-type") == "metadata" else "pass"

    @abstractmethod
    def _note(self, kind: str, payload: bytes) -> Verdict:
        """Take note of an event; raises ``msgspec.DecodeError``, ``RecursionError`` or ``ValueError``."""

    def _fail(self) -> None:
        """An exception instead of the rest. Before anything else came it is a refusal, and nothing was made."""
        answer = self.answer
        answer.problem = _VENDOR_ERROR
        if self.sse_frames <= 1:
            answer.usage, self._is_final = Usage(prompt_tokens=0, response_tokens=0), True


def _is_one(chunk: bytes) -> bool:
    """Whether it is one message, as far as its lengths and their checksum say."""
    size = len(chunk)
    if not _MIN_BYTES <= size <= MAX_FRAME_BYTES:
        return False
    total, headers, crc = _PRELUDE.unpack_from(chunk)
    return bool(total == size and headers <= size - _MIN_BYTES and crc32(chunk[:8]) == crc)


class ConverseStream(_Bedrock):
    """Scans a stream of ``converse-stream``; see ``StreamScanner``."""

    terminal_head = re.compile(rb"\x0b:event-type\x07\x00\x08metadata|\x07\x00\x09exception")

    def __init__(self) -> None:
        super().__init__()
        self._billed_calls = 0

    def may_matter(self, chunk: bytes) -> bool:
        """Ends, starts, calls and exceptions."""
        find = chunk.rfind  # half the time of ``in``
        return find(b"metadata") >= 0 or find(b"messageStart") >= 0 or find(b'"toolUse"') >= 0 or find(_EXCEPTION) >= 0

    def _note(self, kind: str, payload: bytes) -> Verdict:
        answer = self.answer
        if kind == "metadata":
            note_metadata(answer, payload)
            add_billed(answer, self._billed_calls)
            return "hold"
        if kind == "messageStart":
            answer.choices = 1
        elif kind == "contentBlockStart":
            start = _decode_start(payload).start
            if start is not None and start.toolUse is not None:
                answer.tool_calls += 1
                self._billed_calls += start.toolUse.is_billed
        return "pass"


class InvokeStream(_Bedrock):
    """Scans a stream of ``invoke-with-response-stream``, whatever model speaks in it; see ``StreamScanner``."""

    terminal_head = re.compile(rb"\x07\x00\x09exception")

    def __init__(self, *, names_model: bool = False) -> None:
        """``names_model``: whether the answer takes the model's name from what it says itself."""
        self._unmerged: list[tuple[bytes, bool]] = []
        """Of the chunks since, each ``usage`` and whether it may be the last: they are read together, once, when
        somebody asks."""
        super().__init__()
        self._names_model = names_model
        self._usage = b""
        """The model's own ``usage`` of all chunks before those."""
        self._is_settled = False

    @property
    def answer(self) -> Answer:
        """What came so far."""
        if self._unmerged:
            self._merge()
        return self._answer

    @answer.setter
    def answer(self, answer: Answer) -> None:
        self._answer = answer

    def may_matter(self, chunk: bytes) -> bool:
        """Counts, calls, and what is no chunk as we know them. Anthropic's pieces of text never are of the kind."""
        start = chunk.find(_BYTES)
        if start < 0:
            return True
        start += len(_BYTES)
        if chunk.startswith(_TEXT_PIECE, start):
            return False
        try:
            data = binascii.a2b_base64(chunk[start : chunk.find(b'"', start)])
        except binascii.Error:
            return True
        find = data.rfind  # half the time of ``in``
        return find(b"oken") >= 0 or find(b"tool") >= 0 or find(_METRICS) >= 0

    def finish(self) -> bytes:
        """Everything not sent yet. Without a last count there are as many tokens as chunks came, at least."""
        rest = super().finish()
        answer = self.answer
        if not self._is_settled and not self._is_final and answer.usage is not None:
            answer.problem = answer.problem or ("missing" if self.ended else "truncated")
            answer.usage.response_tokens = max(answer.usage.response_tokens or 0, self.sse_frames)
        self._is_settled = True
        return rest

    def _note(self, kind: str, payload: bytes) -> Verdict:
        data = binascii.a2b_base64(_decode_chunk(payload).bytes) if kind == "chunk" else b""
        if not data:
            return "pass"
        event, counts = read_chunk(data)
        self._note_event(event)
        self._note_counts(counts)
        if counts.metrics is ABSENT or bytes(counts.metrics) in _NOTHING:
            return "pass"
        self._note_metrics(usage_of_converse(counts.metrics))
        return "hold"

    def _note_event(self, event: ChunkEvent) -> None:
        """The model's name and calls; and its ``usage`` where that is within another object."""
        answer = self._answer
        if self._names_model:
            answer.model = answer.model or event.model
        answer.choices = answer.choices or event.choices
        answer.tool_calls += event.calls
        if event.usage:
            self._take_usage(event.usage, is_final=event.is_final)

    def _note_counts(self, counts: Counts) -> None:
        if counts.usage is not ABSENT:
            self._take_usage(bytes(counts.usage), is_final=True)
        elif (found := counted_beside(counts)).usage is not None:
            self.answer.usage, self.answer.raw_usage = found.usage, found.text

    def _take_usage(self, raw: bytes, *, is_final: bool) -> None:
        self._unmerged.append((raw, is_final))
        if len(self._unmerged) == _MAX_UNMERGED:
            self._merge()

    def _merge(self) -> None:
        """Take each ``usage`` into the one so far: counts are cumulative, the later ones hold. Where they cannot be
        read as one, one after the other, and what cannot be read is left out."""
        unmerged, self._unmerged = self._unmerged, []
        if len(unmerged) > 1:
            together = self._usage
            for raw, _ in unmerged:
                together = merged(together, raw) if together else raw
            counted = usage_of_body(together)
            if counted.usage is not None and not counted.problem:
                self._hold_true(together, counted, is_final=any(is_final for _, is_final in unmerged))
                return
        for raw, is_final in unmerged:
            self._merge_one(raw, is_final=is_final)

    def _merge_one(self, raw: bytes, *, is_final: bool) -> None:
        together = merged(self._usage, raw)
        counted = usage_of_body(together)
        if counted.usage is None:
            answer = self._answer
            answer.problem = answer.problem or counted.problem
            answer.raw_usage = answer.raw_usage or counted.text
            return
        self._hold_true(together, counted, is_final=is_final)

    def _hold_true(self, together: bytes, counted: Counted, *, is_final: bool) -> None:
        self._usage = together
        self._is_final = self._is_final or is_final
        answer = self._answer
        answer.usage, answer.raw_usage, answer.problem = counted

    def _note_metrics(self, metrics: Counted) -> None:
        """Bedrock's own counts, which it bills; what they do not tell apart, the model's do."""
        answer = self.answer
        if metrics.text is not None:
            answer.raw_usage = raw_text(_together(self._usage, metrics.text)) if self._usage else metrics.text
        usage, own = metrics.usage, answer.usage
        if usage is None:
            answer.problem = answer.problem or metrics.problem
            return
        self._is_final = True
        if own is not None:
            complete(usage, own)
        carried = "" if answer.problem == "missing" else answer.problem
        answer.usage, answer.problem = usage, metrics.problem or carried


def _together(usage: bytes, metrics: str) -> bytes:
    return b'{"usage":%s,"%s":%s}' % (usage, _METRICS, metrics.encode())


_MAX_UNMERGED: Final = 64
_NOTHING: Final = frozenset((b"", b"null"))
_METRICS: Final = METRICS.encode()
_BYTES: Final = b'{"bytes":"'
_TEXT_PIECE: Final = binascii.b2a_base64(b'{"type":"content_block_delta",', newline=False)
"""Thirty bytes, and so forty whole characters whatever follows."""
_decode_start = msgspec.json.Decoder(_BlockStart).decode
_decode_chunk = msgspec.json.Decoder(_Chunk).decode

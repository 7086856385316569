"""Bodies by rules: decoded, told from what is no text, put together, redacted, and cut again.

What is no text (sound, images, forms with files, Bedrock's binary frames, whatever is no UTF-8 or has a NUL) cannot be
searched, so nothing of it is kept: of such a body there is its size and its type.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from sluice.privacy.decoding import expanded
from sluice.privacy.rules import Rules
from sluice.privacy.settings import RulesSettings
from sluice.privacy.streams import redact_stream
from sluice.privacy.texts import TextRedactor, without_tail
from sluice.redaction import cut_text, whole_characters

_STREAMS: Final = ("text/event-stream", "application/x-ndjson", "application/jsonl", "application/x-jsonlines")


_STREAM: Final = re.compile(r"[\ufeff\s]*+(?:\[|:|data:|event:|id:|retry:|\{[^\n]*\}[ \t\r]*\n\s*+\{)")
"""How one begins, whatever its type says: an array, a field or a comment of SSE, two lines of objects."""


class KeptBody(NamedTuple):
    """What of a body is kept; ``None`` where nothing may be. ``is_cut``: whether something is missing at its end."""

    body: bytes | None
    is_cut: bool


class BodyRedactor:
    """Redacts bodies, and the lines and texts beside them, by one set of rules."""

    def __init__(self, settings: RulesSettings) -> None:
        self.fields = frozenset(settings.fields)
        self._texts = TextRedactor(Rules(settings))

    @property
    def gate(self) -> str | None:
        """A regular expression that any engine takes: a single text without a match stays as it is."""
        return self._texts.gate

    @property
    def body_gate(self) -> str | None:
        """The same of bodies that are whole, not coded and no streams."""
        return (
            None
            if self.gate is None
            else rf"{self.gate}|\x00|^[\s\x{{FEFF}}]*(?:\[|:|data:|event:|id:|retry:|\{{[^\n]*\}}[ \t\r]*\n\s*\{{)"
        )

    @staticmethod
    def is_stream(content_type: str) -> bool:
        """Whether texts in bodies of this type run on from object to object."""
        return content_type.partition(";")[0].strip().lower() in _STREAMS

    def text(self, text: str) -> str:
        """A single text; the very same object where nothing is found in it."""
        return self._texts.redact(text)

    def body(self, body: bytes, content_type: str, codings: str, max_bytes: int, *, is_cut: bool) -> KeptBody:
        """A body, or its beginning where ``is_cut``, as it may be kept: at most ``max_bytes``."""
        if not body:
            return KeptBody(body, is_cut)
        if codings:
            found = expanded(body, codings, max_bytes)
            if found is not None:
                body, is_cut = found.body, is_cut or not found.is_whole
        text = _text(whole_characters(body) if is_cut else body)
        if text is None:
            return KeptBody(None, is_cut=True)
        written = self._written(text, content_type, is_cut=is_cut).encode("utf-8", "replace")
        kept, is_shorter = cut_text(written, max_bytes)
        return KeptBody(kept, is_cut or is_shorter)

    def _written(self, text: str, content_type: str, *, is_cut: bool) -> str:
        if self.is_stream(content_type) or _STREAM.match(text):
            text = redact_stream(text, self._texts.redact, is_cut=is_cut)
        return self._texts.redact(without_tail(text) if is_cut else text)


def _text(body: bytes) -> str | None:
    if b"\0" in body:  # UTF-16 among others, in which no rule would find a thing
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return None

"""What the bridge asks of a vendor's translator: OpenAI's requests to the vendor's, the vendor's answers to OpenAI's.

A translator never drops anything: what it does not understand of a request is refused (``Unsupported``). It counts
nothing: usage is read from the vendor's own bytes by the vendor's own dialect, and handed to it (``Answer``).
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.dialect import Answer

Operation = Literal["chat", "completions", "embeddings", "models"]


class Unsupported(ValueError):  # noqa: N818 - it is an answer, not an error
    """The vendor has nothing like it: refused with 400 and ``unsupported_parameter``.

    ``param`` is the member's dotted path (``messages.2.content.0.type``); the message names the vendor and the remedy.
    """

    code = "unsupported_parameter"

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param
        self.message = message


class Invalid(Unsupported):
    """It is not what OpenAI's own interface takes: a wrong type, a member that is missing."""

    code = "invalid_value"


class Unreadable(ValueError):  # noqa: N818 - it is an answer, not an error
    """The vendor's answer is not what the vendor publishes: nothing can be made of it."""


class Wanted(msgspec.Struct, frozen=True):
    """What a client asked for, as far as translators must know beside the body."""

    operation: Operation
    model: str
    """As the body has it, or the LLM's default."""
    is_stream: bool
    wants_usage: bool
    """Whether a stream's client asked for the usage chunk (``stream_options.include_usage``)."""
    created: int
    """Seconds of the epoch."""
    completion_id: str
    """``chatcmpl-<exchange id>``, or ``cmpl-…`` of the older completions."""
    vendor: str = ""
    """For messages."""
    base_path: str = ""
    """Of the endpoint that is called; it is put before ``Translated.path`` unless that begins with it."""
    max_tokens: int = 0
    """What to ask for where the request names no maximum and the vendor demands one: what its budgets hold for it."""
    wants_base64: bool = False
    """Whether embeddings were asked for as base64 (``encoding_format``)."""


class Translated(msgspec.Struct, frozen=True):
    """A request as the vendor takes it; sent by POST."""

    path: str
    """Percent-encoded, beginning with ``/``."""
    body: bytes
    query: bytes = b""
    headers: Headers = []
    """Instead of the client's of the same names; ``content-type: application/json`` goes without saying."""
    hides_usage: bool = False
    """Whether usage was asked for in the vendor's OpenAI stream that the client did not ask for."""


class OpenAiError(msgspec.Struct, frozen=True):
    """A vendor's refusal as OpenAI's clients read it."""

    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None


class StreamTranslator(Protocol):
    """One stream on its way. ``feed`` gets whole frames of the vendor's, however the stream was cut, the terminal one
    too; the last call may have one without its end, which is to be left alone."""

    def feed(self, frames: bytes) -> bytes:
        """OpenAI's frames of these, or nothing. Raises ``Unreadable``; errors of the vendor's in the stream become an
        error frame, behind which nothing comes."""
        ...

    def finish(self, answer: Answer) -> bytes:
        """The end, once: finish reason and usage chunk where not said yet, and ``[DONE]``; an error frame without
        ``[DONE]`` where the vendor's stream stopped before its end, nothing where an error was said already."""
        ...


class Translator(Protocol):
    """One vendor's way. Made with the vendor's ``Dialect`` (see ``registry.py``); one without state serves all."""

    operations: frozenset[Operation]
    """What ``request`` takes. ``completions`` are made chat for who takes chat alone (``legacy.py``); others are
    refused before it is asked. ``models`` is never asked for."""

    def request(self, wanted: Wanted, body: dict[str, Any]) -> Translated:
        """The vendor's request; leaves ``body`` as it is. Raises ``Unsupported`` or ``Invalid``."""
        ...

    def answer(self, wanted: Wanted, body: bytes, answer: Answer) -> bytes:
        """OpenAI's body of a whole answer with a status below 400. Raises ``Unreadable``."""
        ...

    def stream(self, wanted: Wanted) -> StreamTranslator:
        """What translates one stream."""
        ...

    def error(self, status: int, body: bytes) -> OpenAiError:
        """Of an answer with a status of 400 or more, whatever its body is; never raises."""
        ...

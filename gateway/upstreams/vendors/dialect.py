"""What the flow asks of a vendor's dialect."""

from __future__ import annotations

from typing import Protocol

import msgspec

from gateway.upstreams.client import Headers
from sluice.money.usage import Usage


class Asked(msgspec.Struct, frozen=True):
    """What a request body says that the gateway must know."""

    model: str | None = None
    is_stream: bool = False
    wants_usage: bool = False
    """Whether a streaming client asked for usage itself."""
    max_response_tokens: int | None = None
    choices: int = 1


class Answer(msgspec.Struct):
    """What a response body says of its worth."""

    usage: Usage | None = None
    raw_usage: str | None = None
    model: str | None = None
    choices: int = 0
    """0 also where nobody counted them: a stream has as many as were asked for."""
    tool_calls: int = 0


class StreamScanner(Protocol):
    """Reads a streamed response beside its bytes, holds back its terminal event, hides usage we asked for."""

    answer: Answer
    sse_frames: int

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that may go out now."""
        ...

    def finish(self) -> bytes:
        """The held bytes: the terminal event and what came behind it, or an incomplete frame."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the terminal event has arrived: a client needs nothing more than the held bytes."""
        ...

    @property
    def ended_bare(self) -> bool:
        """Whether the held bytes are a terminal event that carries nothing of the answer, and nothing else."""
        ...


class Dialect(Protocol):
    """One vendor's way of speaking."""

    name: str

    def credential(self, headers: Headers) -> str | None:
        """The token a client presents, where this vendor's SDK puts its key."""
        ...

    def presented(self, headers: Headers) -> tuple[str, str]:
        """What a client presents to ``auth`` plugins: the credential without its scheme, and ``bearer`` or ``api_key``;
        two empty strings where it is neither."""
        ...

    def authorize(self, api_key: str) -> Headers:
        """The headers that carry our key to the vendor."""
        ...

    def ask(self, body: bytes, path: str) -> Asked:
        """Read the few fields of a request that matter; raises ``ValueError`` on a body that is not what it says."""
        ...

    def with_usage(self, body: bytes) -> bytes | None:
        """The body of a streaming request, asking for usage; ``None`` where nothing need change."""
        ...

    def with_model(self, body: bytes, model: str) -> bytes:
        """The body with a model filled in."""
        ...

    def with_maximum(self, body: bytes, path: str, tokens: int) -> bytes | None:
        """The body of a request that names no maximum, with one; ``None`` where this path has none to name."""
        ...

    def answer(self, body: bytes) -> Answer:
        """Usage, model, choices and tool calls of a whole response; never raises."""
        ...

    def scanner(self, path: str, *, hide_usage: bool) -> StreamScanner:
        """A scanner for one streamed response."""
        ...

    def error_body(self, status: int, message: str, code: str) -> bytes:
        """An error of ours, in the shape this vendor's SDK understands."""
        ...

    def stream_error(self, status: int, message: str, code: str) -> bytes:
        """The same as the last SSE frame of a stream that has begun: one that this vendor's SDK raises on."""
        ...

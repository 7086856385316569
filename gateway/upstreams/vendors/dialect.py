"""What the flow asks of a vendor's dialect."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from gateway.upstreams.client import Headers, UpstreamRequest
from sluice.money.usage import Usage

NO_HEADERS: Final[Headers] = []
"""Of an answer whose headers nobody has; not to be added to."""


class Asked(msgspec.Struct, frozen=True):
    """What a request says that the gateway must know."""

    model: str | None = None
    is_stream: bool = False
    wants_usage: bool = False
    """Whether a streaming client asked for usage itself, or gets it anyway."""
    max_response_tokens: int | None = None
    choices: int = 1
    is_batch: bool = False
    """Whether the vendor takes its batch price for it."""


class Answer(msgspec.Struct):
    """What a response says of its worth."""

    usage: Usage | None = None
    raw_usage: str | None = None
    model: str | None = None
    choices: int = 0
    """0 also where nobody counted them: a stream has as many as were asked for."""
    tool_calls: int = 0
    problem: str = ""
    """Why usage cannot be trusted, as a stable code (``negative_tokens``, ``wrong_type``, ``truncated``); the cost is
    then an estimate. Empty where it can, and where there is none and nothing is wrong with that."""


class StreamScanner(Protocol):
    """Reads a streamed response beside its bytes, holds back its terminal event, hides usage we asked for."""

    answer: Answer
    sse_frames: int
    """Or lines, array elements, binary messages: whatever the stream is made of."""
    frame_ends: tuple[bytes, ...]
    """What a whole frame ends with, the usual one first; empty where its bytes do not show it."""

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that may go out now: whole frames, but for ``passes_unread`` and what says nothing."""
        ...

    @property
    def passes_unread(self) -> bool:
        """Whether the frame that is passing now is too large to be kept until its end."""
        ...

    def finish(self) -> bytes:
        """The held bytes: the terminal event and what came behind it, or an incomplete frame."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the terminal event has arrived: a client needs nothing more than the held bytes. Never, where the
        vendor's streams have none."""
        ...

    @property
    def ended_bare(self) -> bool:
        """Whether the held bytes are a terminal event that carries nothing of the answer, and nothing else."""
        ...


class Signer(Protocol):
    """Proves a request to a vendor that takes no static key."""

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest:
        """The request with its proof, for one attempt: it gets the request without any each time.

        Raises ``UpstreamFault`` alone; nothing was sent then.
        """
        ...


class Dialect(Protocol):
    """One vendor's way of speaking. Paths are the client's, without the LLM's base path; queries have no ``?``."""

    name: str
    """The vendor's."""
    family: str
    """Whose dialect it is: an LLM can take over from another of its family."""

    def credential(self, headers: Headers, query: bytes = b"") -> str | None:
        """The token a client presents, where this vendor's SDK puts its key."""
        ...

    def presented(self, headers: Headers, query: bytes = b"") -> tuple[str, str]:
        """What a client presents to ``auth`` plugins: the credential without its scheme, and ``bearer`` or ``api_key``;
        two empty strings where it is neither."""
        ...

    def clean_query(self, query: bytes) -> bytes:
        """The query as the vendor gets it: without credentials."""
        ...

    def authorize(self, api_key: str) -> Headers:
        """The headers that carry our key to the vendor; none where a signer does it."""
        ...

    def signer(self, api_key: str, endpoint: str) -> Signer | None:
        """What signs each request to this base URL, where a static key is not enough. Called once for each LLM when
        the snapshot is built; raises ``ValueError`` for a key that cannot be one."""
        ...

    def ask(self, body: bytes, path: str, query: bytes = b"") -> Asked:
        """Read the few fields of a request that matter; raises ``ValueError`` on a body that is not what it says."""
        ...

    def with_usage(self, body: bytes, path: str) -> bytes | None:
        """The body of a streaming request, asking for usage; ``None`` where nothing need change."""
        ...

    def with_model(self, body: bytes, path: str, model: str) -> tuple[bytes, str]:
        """The body and the path, with a model in the one that names it, filled in or exchanged."""
        ...

    def with_maximum(self, body: bytes, path: str, tokens: int) -> bytes | None:
        """The body of a request that names no maximum, with one; ``None`` where this path has none to name."""
        ...

    def answer(self, body: bytes, path: str = "", headers: Headers = NO_HEADERS) -> Answer:
        """Usage, model, choices and tool calls of a whole response, decoded; never raises. Some vendors count in
        ``headers`` alone."""
        ...

    def scanner(self, path: str, content_type: bytes, *, hide_usage: bool) -> StreamScanner | None:
        """A scanner for one streamed response; ``None`` where this content type is no stream on this path."""
        ...

    def error_body(self, status: int, message: str, code: str, path: str = "") -> bytes:
        """An error of ours, in the shape this vendor's SDK understands on this path."""
        ...

    def stream_error(self, status: int, message: str, code: str, path: str = "") -> bytes:
        """The same as the last frame of a stream that has begun: one that this vendor's SDK raises on."""
        ...

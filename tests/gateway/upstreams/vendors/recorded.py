"""Streams and whole answers of every dialect, as the scripted vendor makes them, and the scanners they are read by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from gateway.upstreams.vendors.dialect import Dialect, StreamScanner
from gateway.upstreams.vendors.registry import dialect_of
from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.formats import Format, format_of, format_of_path
from sluice.dev.vendor.plan import Told, plan_of
from sluice.dev.vendor.script import Script, parse_script
from sluice.dev.vendor.wire import Request

MODEL = "mock-model"
_SIGNED = {b"authorization": b"Bearer a-key"}
_CHAT: dict[str, Any] = {"model": MODEL, "messages": [], "stream": True, "stream_options": {"include_usage": True}}
_DETAILS = {"inputs": "", "parameters": {"details": True}}


class Way(NamedTuple):
    """One way of asking one vendor for a stream."""

    vendor: str
    path: str
    body: dict[str, Any] = _CHAT
    query: str = ""

    @property
    def name(self) -> str:
        """What a test is called."""
        return f"{self.vendor}:{self.path.rpartition('/')[2]}{self.query}"

    @property
    def dialect(self) -> Dialect:
        """Whose scanner reads it."""
        return dialect_of(self.vendor)

    @property
    def speaks(self) -> Format:
        """Whose format the scripted vendor answers in."""
        return format_of_path(self.path)

    @property
    def plain_path(self) -> str:
        """Where the same is asked whole."""
        path = self.path
        for part in ("-with-response-stream", "-stream", "_stream"):
            path = path.removesuffix(part)
        return path.replace("streamGenerate", "generate")

    @property
    def plain_body(self) -> dict[str, Any]:
        """What asks for the same whole."""
        return {**self.body, "stream": False}

    def asked(self, *, is_stream: bool = True) -> Asked:
        """As the scripted vendor reads the request."""
        body, path = (self.body, self.path) if is_stream else (self.plain_body, self.plain_path)
        request = Request(b"POST", b"", _SIGNED, b"", json.dumps(body).encode())
        return self.speaks.ask(path, self.query, request)

    def scanner(self, *, hide_usage: bool = False) -> StreamScanner:
        """A new one."""
        kind = self.speaks.content_type(self.asked(), is_stream=True).encode()
        scanner = self.dialect.scanner(self.path, kind, hide_usage=hide_usage)
        assert scanner is not None, (self, kind)
        return scanner


_GOOGLE = f"/v1beta/models/{MODEL}:streamGenerateContent"
_BODY: dict[str, Any] = {}
WAYS = (
    Way("openai", "/v1/chat/completions"),
    Way("openai", "/v1/completions"),
    Way("openai", "/v1/responses"),
    Way("anthropic", "/v1/messages"),
    Way("google_ai", _GOOGLE, _BODY, "alt=sse"),
    Way("google_ai", _GOOGLE, _BODY),
    Way(
        "vertex", f"/v1/projects/p/locations/l/publishers/google/models/{MODEL}:streamGenerateContent", _BODY, "alt=sse"
    ),
    Way("bedrock", f"/model/{MODEL}/converse-stream", _BODY),
    Way("bedrock", "/model/anthropic.mock/invoke-with-response-stream", _BODY),
    Way("bedrock", "/model/amazon.nova-mock/invoke-with-response-stream", _BODY),
    Way("bedrock", "/model/meta.llama-mock/invoke-with-response-stream", _BODY),
    Way("ollama", "/api/chat", {"model": MODEL}),
    Way("ollama", "/api/generate", {"model": MODEL}),
    Way("huggingface", "/generate_stream", _DETAILS),
    Way("azure", "/openai/deployments/d/chat/completions"),
    *(
        Way(vendor, "/v1/chat/completions")
        for vendor in (
            "mistral",
            "groq",
            "deepseek",
            "openrouter",
            "xai",
            "compatible",
            "mock",
            "ollama",
            "huggingface",
        )
    ),
)
"""Every dialect, and every format of streams that it has."""
FORMATS_APART = (*WAYS[:6], *WAYS[7:14])
"""Those whose formats or scanners differ."""


def recorded(way: Way, text: str) -> bytes:
    """The whole stream that a script makes."""
    script = parse_script(text, Script())
    return b"".join(_unframed(plan_of(way.asked(), script).pieces))


def pieces(way: Way, text: str) -> list[bytes]:
    """The same, piece by piece."""
    return list(_unframed(plan_of(way.asked(), parse_script(text, Script())).pieces))


def whole(way: Way, text: str) -> bytes:
    """The plain answer of the same script."""
    asked = way.asked(is_stream=False)
    return format_of(asked).whole_body(asked, parse_script(text, Script()))


def told(way: Way, text: str) -> Told | None:
    """What the scripted vendor says that it told."""
    return plan_of(way.asked(), parse_script(text, Script())).usage


def _unframed(chunks: tuple[bytes, ...]) -> Iterator[bytes]:
    """Without the chunked coding: each piece is one chunk, and the last chunk comes with the last."""
    for chunk in chunks:
        size, _, rest = chunk.partition(b"\r\n")
        yield rest[: int(size, 16)]

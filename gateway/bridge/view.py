"""An LLM as clients of the bridge see it: the same, but that it speaks OpenAI's dialect.

So the flow needs no case of its own: credentials, bodies, models, streams and errors are read and written in the
dialect of the LLM that it is given.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.upstreams.vendors.openai import OpenAi
from gateway.upstreams.vendors.openai import request as requests
from gateway.upstreams.vendors.openai.auth import key_of

if TYPE_CHECKING:
    from gateway.snapshot import Llm
    from gateway.upstreams.client import Headers
    from gateway.upstreams.vendors.dialect import Dialect


class BridgeDialect(OpenAi):
    """OpenAI's, whatever the vendor's."""

    def __init__(self, spoken: Dialect) -> None:
        self.name = spoken.name
        self._maximum = spoken.chat_maximum if isinstance(spoken, OpenAi) else self.chat_maximum

    def credential(self, headers: Headers, query: bytes = b"") -> str | None:
        """A bearer token; else a key in ``x-api-key`` or ``api-key``."""
        return super().credential(headers, query) or key_of(headers)

    def presented(self, headers: Headers, query: bytes = b"") -> tuple[str, str]:
        """A bearer token; else such a key, as a key."""
        token = super().credential(headers, query)
        if token:
            return token, "bearer"
        key = key_of(headers)
        return (key, "api_key") if key else ("", "")

    def with_usage(self, body: bytes, path: str) -> bytes | None:  # noqa: ARG002 - dialects differ
        """Nothing: who is asked asks for it, as its vendor wants."""
        return None

    def with_maximum(self, body: bytes, path: str, tokens: int) -> bytes | None:
        """As the vendor calls it where that speaks OpenAI's dialect too."""
        name = requests.maximum_name(path)
        return requests.with_maximum(body, self._maximum if name == "max_completion_tokens" else name, tokens)


_KNOWN: Final[dict[str, BridgeDialect]] = {}
"""By vendor; there are as many as vendors."""


def bridged(llm: Llm) -> Llm:
    """The view of an LLM, and of each of its apps' own."""
    dialect = _KNOWN.setdefault(llm.dialect.name, BridgeDialect(llm.dialect))
    by_app = {app_id: bridged(own) for app_id, own in llm.by_app.items()}
    return replace(
        llm,
        dialect=dialect,
        spoken=llm.dialect,
        by_app=by_app or llm.by_app,
        bridged=None,
    )

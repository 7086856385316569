"""Vendors that speak OpenAI's dialect themselves: the path is mapped, bytes go through as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Never
from urllib.parse import quote

import orjson

from gateway.bridge.interface import OpenAiError, Operation, StreamTranslator, Translated, Wanted
from gateway.bridge.refusals import refusal_of
from gateway.upstreams.vendors.dialect import Answer

if TYPE_CHECKING:
    from gateway.upstreams.vendors.dialect import Dialect

_VERSION = re.compile(r"/v\d+[a-z0-9]*/*\Z")
"""What a base path ends with that has its version already: ``/v1``, ``/openai/v1``, ``/v1beta``."""
_ROOTS: Final = {"groq": "/openai/v1", "openrouter": "/api/v1"}
"""Where the interface of a vendor begins whose endpoint is a bare host; the others' is at ``/v1``."""
_ENDS: Final[dict[Operation, str]] = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
}
_AZURE_VERSION: Final = b"api-version=2024-10-21"
"""The newest that is no preview, for deployments in the path; newer resources have ``/openai/v1``, which needs none."""


class Passing:
    """A translator that translates nothing. Not asked for answers: they pass as they come."""

    operations: frozenset[Operation] = frozenset({"chat", "completions", "embeddings"})

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def path(self, wanted: Wanted) -> tuple[str, bytes]:
        """Where the vendor has this operation, and what query it needs."""
        end = _ENDS[wanted.operation]
        base = wanted.base_path
        if _VERSION.search(base):
            return base.rstrip("/") + end, b""
        if self._dialect.name == "azure":
            prefix = base.rstrip("/") if base.rstrip("/").endswith("/openai") else base.rstrip("/") + "/openai"
            return f"{prefix}/deployments/{quote(wanted.model, safe='')}{end}", _AZURE_VERSION
        root = _ROOTS.get(self._dialect.name, "/v1")
        return (root if not base.strip("/") else base.rstrip("/") + "/v1") + end, b""

    def pass_on(self, wanted: Wanted, body: bytes) -> Translated:
        """The client's own bytes; of a stream whose client asked for no usage that is asked for, and hidden again."""
        path, query = self.path(wanted)
        hides_usage = False
        if wanted.is_stream and not wanted.wants_usage:
            asking = self._dialect.with_usage(body, path)
            if asking is not None:
                body, hides_usage = asking, True
        return Translated(path, body, query, hides_usage=hides_usage)

    def request(self, wanted: Wanted, body: dict[str, Any]) -> Translated:
        """As ``pass_on``, of a body that was made anew."""
        return self.pass_on(wanted, orjson.dumps(body))

    def answer(self, wanted: Wanted, body: bytes, answer: Answer) -> bytes:  # noqa: ARG002 - as it came
        """As it came."""
        return body

    def stream(self, wanted: Wanted) -> StreamTranslator:
        """None: frames pass as they come."""
        self._never(wanted)

    def error(self, status: int, body: bytes) -> OpenAiError:
        """The vendor's own, as far as it can be read."""
        return refusal_of(status, body.decode("utf-8", "replace"), None)

    def _never(self, wanted: Wanted) -> Never:
        message = f"streams of {wanted.vendor} pass untranslated"
        raise TypeError(message)

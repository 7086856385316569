"""Amazon Bedrock's dialect: converse, invoke and their streams, counts of tokens, and OpenAI's paths."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.upstreams.client import Headers
from gateway.upstreams.vendors.bedrock import errors, paths, request
from gateway.upstreams.vendors.bedrock.auth import key_of_aws, static_headers, token_of
from gateway.upstreams.vendors.bedrock.paths import STREAMS, call_of
from gateway.upstreams.vendors.bedrock.stream import ConverseStream, InvokeStream
from gateway.upstreams.vendors.bedrock.wire import answer_of_converse, answer_of_invoke
from gateway.upstreams.vendors.compatible import Compatible
from gateway.upstreams.vendors.dialect import NO_HEADERS, Answer, Asked, Signer, StreamScanner
from gateway.upstreams.vendors.queries import without
from gateway.upstreams.vendors.scanning import media_type
from sluice.money.usage import Usage

_OPENAI: Final = Compatible()
"""For all other paths: ``/openai/v1/chat/completions`` among them."""


class Bedrock:
    """The dialect of ``bedrock-runtime.<region>.amazonaws.com``."""

    name = "bedrock"
    family = "bedrock"

    def credential(self, headers: Headers, query: bytes = b"") -> str | None:  # noqa: ARG002 - dialects differ
        """``Authorization: Bearer <token>``, else ``x-api-key``; a signature of the client's own is none."""
        return token_of(headers)[0] or None

    def presented(self, headers: Headers, query: bytes = b"") -> tuple[str, str]:  # noqa: ARG002 - dialects differ
        """The same, and which it was."""
        return token_of(headers)

    def clean_query(self, query: bytes) -> bytes:
        """Without what may be a credential, a signature's parameters too."""
        return without(query)

    def authorize(self, api_key: str) -> Headers:
        """A Bedrock API key as a bearer; nothing for a key that signs."""
        return static_headers(api_key)

    def signer(self, api_key: str, endpoint: str) -> Signer | None:
        """Signs with an access key, or with the credentials of this host where there is no key."""
        key = key_of_aws(api_key)
        if key is None:
            return None
        try:
            from gateway.upstreams.vendors.bedrock.signing import SigV4Signer  # noqa: PLC0415 - botocore is an extra
        except ImportError as error:
            message = "its key signs, which needs botocore: pip install 'sluice-gateway[bedrock]'"
            raise ValueError(message) from error
        return SigV4Signer(key, urlsplit(endpoint).hostname or "")

    def ask(self, body: bytes, path: str, query: bytes = b"") -> Asked:
        """The model and the operation of the path, the maximum of the body."""
        call = call_of(path)
        return _OPENAI.ask(body, path, query) if call is None else request.ask(body, call)

    def with_usage(self, body: bytes, path: str) -> bytes | None:
        """Usage comes unasked, but for OpenAI's paths."""
        return _OPENAI.with_usage(body, path) if call_of(path) is None else None

    def with_model(self, body: bytes, path: str, model: str) -> tuple[bytes, str]:
        """In the path."""
        return _OPENAI.with_model(body, path, model) if call_of(path) is None else (body, paths.with_model(path, model))

    def with_maximum(self, body: bytes, path: str, tokens: int) -> bytes | None:
        """In the place that the model's family has for it."""
        call = call_of(path)
        return _OPENAI.with_maximum(body, path, tokens) if call is None else request.with_maximum(body, call, tokens)

    def answer(self, body: bytes, path: str = "", headers: Headers = NO_HEADERS) -> Answer:
        """What a whole response says, ``invoke`` in its headers too; an empty answer where it cannot be read. Counts of
        tokens are free."""
        call = call_of(path)
        if call is None:
            return _OPENAI.answer(body, path, headers)
        if call.operation == "count-tokens":
            return Answer(usage=Usage(prompt_tokens=0, response_tokens=0))
        try:
            if call.operation == "converse":
                return answer_of_converse(body)
            answer = answer_of_invoke(body, headers)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return Answer()
        if not call.is_opaque:
            answer.model = None
        return answer

    def scanner(self, path: str, content_type: bytes, *, hide_usage: bool) -> StreamScanner | None:
        """Of binary event streams; of OpenAI's on its paths."""
        call = call_of(path)
        if call is None:
            return _OPENAI.scanner(path, content_type, hide_usage=hide_usage)
        if media_type(content_type) != b"application/vnd.amazon.eventstream" or call.operation not in STREAMS:
            return None
        if call.operation == "converse-stream":
            return ConverseStream()
        return InvokeStream(names_model=call.is_opaque)

    def error_body(self, status: int, message: str, code: str, path: str = "") -> bytes:
        """``{"__type", message, …}``; OpenAI's on its paths."""
        if _is_openai(path):
            return _OPENAI.error_body(status, message, code, path)
        return errors.error_body(status, message, code)

    def stream_error(self, status: int, message: str, code: str, path: str = "") -> bytes:
        """An exception message; OpenAI's on its paths."""
        if _is_openai(path):
            return _OPENAI.stream_error(status, message, code, path)
        return errors.stream_error(status, message, code)


def _is_openai(path: str) -> bool:
    return "/openai/" in path and call_of(path) is None

"""Tests of ``gateway.upstreams.vendors.google.dialect``: what goes where, and whose dialect a path speaks."""

from __future__ import annotations

import json

import pytest

from gateway.outcomes import AuthFailed
from gateway.upstreams.vendors.anthropic.stream import AnthropicStream
from gateway.upstreams.vendors.google.dialect import GoogleAi, Vertex
from gateway.upstreams.vendors.google.interactions import InteractionStream
from gateway.upstreams.vendors.google.stream import GoogleArray, GoogleStream
from gateway.upstreams.vendors.google.tokens import TokenSigner
from gateway.upstreams.vendors.openai.stream import OpenAiStream
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.google.streams import GENERATE, PLAIN, STREAM, answer, candidate, counts
from tests.gateway.upstreams.vendors.google.test_service_account import ENDPOINT, key_file

GOOGLE, VERTEX = GoogleAi(), Vertex()
PUBLISHERS = "/v1/projects/p/locations/l/publishers"
CLAUDE = f"{PUBLISHERS}/anthropic/models/claude-x@1:streamRawPredict"
CHAT = "/v1beta/openai/chat/completions"
KEY = (b"x-goog-api-key", b"k")


def test_credentials_that_differ_are_refused() -> None:
    """With a reason of their own; plugins get neither."""
    assert GOOGLE.credential([KEY], b"key=k") == "k"
    assert GOOGLE.credential([], b"") is None
    with pytest.raises(AuthFailed, match="two credentials that differ") as caught:
        GOOGLE.credential([KEY], b"key=other")
    assert caught.value.code == "ambiguous_credential"
    assert GOOGLE.presented([KEY], b"key=other") == ("", "")


def test_no_credential_stays_in_a_query() -> None:
    """Whatever name it has; the rest stays byte for byte."""
    query = b"alt=sse&key=k&%6Bey=k&access_token=t&oauth_token=t&$key=k&a=%20"
    assert GOOGLE.clean_query(query) == b"alt=sse&a=%20"


def test_our_key() -> None:
    """Of the Gemini API in its header; Vertex takes tokens, keys of its express mode, and service accounts."""
    assert GOOGLE.authorize("AIza1") == [(b"x-goog-api-key", b"AIza1")]
    assert GOOGLE.authorize("") == []
    assert VERTEX.authorize("ya29.x") == [(b"authorization", b"Bearer ya29.x")]
    assert VERTEX.authorize("AIza1") == [(b"x-goog-api-key", b"AIza1")]
    assert VERTEX.signer("ya29.x", ENDPOINT) is None
    assert VERTEX.authorize(key_file()) == []
    assert isinstance(VERTEX.signer(key_file(), ENDPOINT), TokenSigner)
    with pytest.raises(ValueError, match="no service account"):
        VERTEX.signer("{}", ENDPOINT)


def test_anthropic_s_models_on_vertex() -> None:
    """Their bodies are Anthropic's, their model is in the path."""
    body = b'{"anthropic_version":"vertex-2023-10-16","messages":[],"max_tokens":9}'
    asked = VERTEX.ask(body, CLAUDE)
    assert (asked.model, asked.is_stream, asked.max_response_tokens) == ("claude-x@1", True, 9)
    assert VERTEX.with_model(body, CLAUDE, "new@2") == (body, CLAUDE.replace("claude-x@1", "new@2"))
    assert isinstance(VERTEX.scanner(CLAUDE, b"text/event-stream", hide_usage=False), AnthropicStream)
    assert json.loads(VERTEX.error_body(403, "no", "c", CLAUDE))["type"] == "error"
    assert VERTEX.stream_error(403, "no", "c", CLAUDE).startswith(b"event: error")
    count = f"{PUBLISHERS}/anthropic/models/count-tokens:rawPredict"
    assert VERTEX.ask(b'{"model":"claude-x"}', count).model == "claude-x"
    assert VERTEX.answer(b'{"input_tokens":9}', count).usage == Usage(0, 0)
    whole = b'{"model":"claude-x","content":[],"usage":{"input_tokens":5,"output_tokens":6}}'
    found = VERTEX.answer(whole, CLAUDE).usage
    assert found is not None
    assert (found.prompt_tokens, found.response_tokens) == (5, 6)


def test_other_publishers_speak_as_mistral_does() -> None:
    """OpenAI's shape, and no options that they refuse."""
    path = f"{PUBLISHERS}/mistralai/models/codestral:streamRawPredict"
    assert VERTEX.ask(b'{"model":"codestral","max_tokens":3}', path).max_response_tokens == 3
    assert VERTEX.with_usage(b'{"stream":true}', path) is None
    assert isinstance(VERTEX.scanner(path, b"text/event-stream", hide_usage=False), OpenAiStream)


def test_the_compatible_endpoint() -> None:
    """OpenAI's dialect in all: usage asked for and hidden, errors, the model in the body."""
    body = b'{"model":"gemini-x","stream":true}'
    assert (GOOGLE.ask(body, CHAT).model, GOOGLE.ask(body, CHAT).wants_usage) == ("gemini-x", False)
    assert GOOGLE.with_usage(body, CHAT) == body[:-1] + b',"stream_options":{"include_usage":true}}'
    assert GOOGLE.with_model(b"{}", CHAT, "g") == (b'{"model":"g"}', CHAT)
    assert GOOGLE.with_maximum(b"{}", CHAT, 5) == b'{"max_tokens":5}'
    assert json.loads(GOOGLE.error_body(404, "no", "c", CHAT))["error"]["type"] == "not_found_error"
    assert isinstance(GOOGLE.scanner(CHAT, b"text/event-stream", hide_usage=True), OpenAiStream)
    assert GOOGLE.answer(b'{"usage":{"prompt_tokens":1,"completion_tokens":2}}', CHAT).usage == Usage(1, 2)


def test_scanners() -> None:
    """By what the answer says that it is, and by the path."""
    assert isinstance(GOOGLE.scanner(STREAM, b"text/event-stream", hide_usage=False), GoogleStream)
    assert isinstance(GOOGLE.scanner(STREAM, b"application/json; charset=UTF-8", hide_usage=False), GoogleArray)
    assert GOOGLE.scanner(GENERATE, b"application/json", hide_usage=False) is None
    assert isinstance(GOOGLE.scanner("/v1beta/interactions", b"text/event-stream", hide_usage=False), InteractionStream)
    assert GOOGLE.scanner("/v1beta/files", b"image/png", hide_usage=False) is None


def test_streams_end_in_an_error_of_their_format() -> None:
    """Events, or elements of an array where no events were asked for."""
    assert GOOGLE.stream_error(403, "no", "c", STREAM + "?alt=sse").startswith(b"data: ")
    assert GOOGLE.stream_error(403, "no", "c", STREAM).startswith(b"data: ")
    assert GOOGLE.stream_error(403, "no", "c", STREAM + "?x=y").startswith(b",")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"usageMetadata":5}', b"\xff" * 9, b"[" * 100_000])
def test_answers_never_raise(body: bytes) -> None:
    """What cannot be read counts nothing."""
    for path in (GENERATE, STREAM, CHAT, CLAUDE, "/v1beta/models/e:predict", "/x", "/v1beta/interactions"):
        assert GOOGLE.answer(body, path).usage is None


def test_unknown_methods_are_not_free() -> None:
    """What they count is found wherever it stands."""
    path = "/v1beta/models/g:somethingNew"
    body = json.dumps(answer(candidate({"text": "x"}), usage=counts(3, 4))).encode()
    assert GOOGLE.answer(body, path).usage == Usage(3, 4)
    assert GOOGLE.answer(json.dumps(PLAIN[-1]).encode(), GENERATE).usage == Usage(8, 7)

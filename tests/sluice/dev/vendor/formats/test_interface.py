"""Laws that every format obeys, whoever's it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluice.dev.vendor.asked import Asked
from sluice.dev.vendor.formats import FORMATS, format_of, format_of_path
from sluice.dev.vendor.formats.interface import RefusedError
from sluice.dev.vendor.script import Script, parse_script
from sluice.dev.vendor.wire import Request

SIGNED = {b"authorization": b"Bearer a-key"}
MODEL = "mock"
CHAT: dict[str, Any] = {"model": MODEL, "stream": True, "stream_options": {"include_usage": True}}
STREAMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", "", CHAT),
    "completions": ("/v1/completions", "", CHAT),
    "responses": ("/v1/responses", "", CHAT),
    "messages": ("/v1/messages", "", CHAT),
    "google-sse": (f"/v1beta/models/{MODEL}:streamGenerateContent", "alt=sse", {}),
    "google-array": (f"/v1beta/models/{MODEL}:streamGenerateContent", "", {}),
    "converse": (f"/model/{MODEL}/converse-stream", "", {}),
    "invoke": (f"/model/{MODEL}/invoke-with-response-stream", "", {}),
    "invoke-nova": ("/model/amazon.nova/invoke-with-response-stream", "", {}),
    "ollama-chat": ("/api/chat", "", {"model": MODEL}),
    "ollama-generate": ("/api/generate", "", {"model": MODEL}),
    "text-generation": ("/generate_stream", "", {"parameters": {"details": True}}),
}


def asked_of(path: str, query: str, body: object, headers: dict[bytes, bytes] | None = None) -> Asked:
    """A request, as the format of its path reads it."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(b"POST", b"", SIGNED if headers is None else headers, b"", content)
    return format_of_path(path).ask(path, query, request)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_has_one_piece_more_than_it_has_text(name: str) -> None:
    """What opens it comes with its first text, what closes it is a piece of its own; so cuts and paces mean the same in
    every format."""
    asked = asked_of(*STREAMS[name])
    assert asked.is_stream
    made = format_of(asked).stream_pieces(asked, parse_script("chunks=5", Script()))
    assert len(made) == 6
    if not name.startswith("invoke"):  # whose text is in base64
        assert all(word in made[at] for at, word in enumerate((b"The", b"mock", b"vendor")))


@pytest.mark.parametrize("name", STREAMS)
def test_the_same_script_is_the_same_bytes(name: str) -> None:
    """Answers are built once and sent many times."""
    asked, told = asked_of(*STREAMS[name]), parse_script("chunks=2;reasoning=3;tool_calls=2", Script())
    speaks = format_of(asked)
    assert speaks.stream_pieces(asked, told) == speaks.stream_pieces(asked, told)
    assert hash(asked) == hash(asked_of(*STREAMS[name]))


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("figures", ["negative", "huge", "text", "null", "list", "object", "float"])
def test_figures_replace_every_count(name: str, figures: str) -> None:
    """None of the script's own is left in what is told of the usage."""
    asked = asked_of(*STREAMS[name])
    told = parse_script(f"prompt_tokens=4321;response_tokens=4321;figures={figures}", Script())
    assert "4321" not in str(format_of(asked).usage(asked, told))


@pytest.mark.parametrize("path", [path for path, _, _ in STREAMS.values()])
@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"7", b'{"model":"\xff"}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_an_error(path: str, body: bytes) -> None:
    """The caller answers 400, in the format's own shape."""
    with pytest.raises(ValueError, match="JSON"):
        asked_of(path, "", body)


@pytest.mark.parametrize("speaks", FORMATS, ids=lambda speaks: speaks.NAME)
def test_errors_say_what_was_asked_for(speaks: Any) -> None:
    """Each in its own shape, whatever the status; a message of ours stands in it."""
    for status in (400, 401, 403, 404, 418, 429, 500, 503, 529, 599):
        assert f"status {status}" in json.dumps(json.loads(speaks.error_body(status)))
    assert b"a message" in speaks.error_body(400, "a message")


def test_paths_say_whose_a_request_is() -> None:
    """Base paths may stand before them; what nobody knows is OpenAI's 404."""
    for path, name in {
        "/v1/chat/completions": "openai",
        "/v1beta/openai/chat/completions": "openai",
        "/openai/v1/embeddings": "openai",
        "/any/base/v1/messages": "anthropic",
        "/v1/messages/count_tokens": "anthropic",
        "/v1beta/models/m:countTokens": "google",
        "/v1/projects/p/locations/l/publishers/google/models/m:predict": "google",
        "/model/arn%3Aaws%3A1/converse": "bedrock",
        "/model/m/count-tokens": "bedrock",
        "/api/embed": "ollama",
        "/api/generate": "ollama",
        "/generate": "huggingface",
        "/models/owner/name": "huggingface",
        "/": "huggingface",
        "/unknown": "openai",
    }.items():
        assert name == format_of_path(path).NAME, path


def test_a_refusal_has_its_own_status() -> None:
    """It is a ``ValueError`` for whoever does not look closer."""
    error = RefusedError(403, "no")
    assert (error.status, str(error), isinstance(error, ValueError)) == (403, "no", True)

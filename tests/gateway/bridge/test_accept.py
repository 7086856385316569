"""What is asked for over the bridge: paths, methods, and what the vendor has not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.bridge.accept import model_of, operation_of
from gateway.bridge.errors import MethodWrong, PathUnknown
from gateway.routes import Route, parse_bridge_route
from sluice.dev.vendor import MockVendor
from tests.gateway.bridge.house import CLAUDE, QUESTION, bridge, chat
from tests.gateway.flow import raw


def test_paths_and_methods_name_operations() -> None:
    """Those of OpenAI's that there are; a slash at the end changes nothing."""
    assert operation_of("/v1/chat/completions", "POST") == "chat"
    assert operation_of("/v1/completions/", "POST") == "completions"
    assert operation_of("/v1/embeddings", "POST") == "embeddings"
    for path in ("/v1/models", "/v1/models/", "/v1/models/gpt-4o", "/v1/models/meta%2Fllama"):
        assert operation_of(path, "GET") == operation_of(path, "HEAD") == "models"


@pytest.mark.parametrize("path", ["/", "", "/v1", "/v1/responses", "/v2/chat/completions", "/V1/models", "/v1/modelsx"])
def test_other_paths_are_unknown(path: str) -> None:
    """Whatever the method."""
    for method in ("GET", "POST", "DELETE"):
        with pytest.raises(PathUnknown):
            operation_of(path, method)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "X" * 9999])
def test_other_methods_are_wrong(method: str) -> None:
    """The answer says which are right."""
    with pytest.raises(MethodWrong) as caught:
        operation_of("/v1/chat/completions", method)
    assert caught.value.headers == ((b"allow", b"POST"),)
    assert len(caught.value.message) < 200
    if method not in {"GET", "HEAD"}:
        with pytest.raises(MethodWrong):
            operation_of("/v1/models", method)


def test_a_model_is_named_by_its_path() -> None:
    """Decoded; all of them by none."""
    assert (model_of("/v1/models"), model_of("/v1/models/")) == ("", "")
    assert model_of("/v1/models/meta%2Fllama%20x") == model_of("/v1/models/meta/llama x") == "meta/llama x"


def test_routes_of_the_bridge() -> None:
    """A slug, and what is left for the operation; what climbs is refused."""
    assert parse_bridge_route("/ai/claude/v1/models") == Route("bridge", "claude", "v1/models")
    assert parse_bridge_route("/ai/claude") == Route("bridge", "claude", "")
    assert parse_bridge_route("/ai/") == Route("bridge", "", "")
    assert parse_bridge_route("/ai/claude/v1/%2e%2e/x").problem


async def test_a_body_that_is_refused_unread_is_refused_in_openais_dialect(
    mock_vendor: MockVendor, tmp_path: Path
) -> None:
    """Too large, by what it says or by what comes: whatever the vendor's dialect is, whose words no SDK of OpenAI's
    could read."""
    large = json.dumps({"model": CLAUDE, "messages": QUESTION, "user": "x" * 1000}).encode()

    async def in_pieces() -> AsyncIterator[bytes]:
        yield large[:500]
        yield large[500:]

    async with bridge(tmp_path, mock_vendor, claude={"max_request_bytes": 1000}) as flow:
        for content in (large, in_pieces()):
            answer = await flow.client.post("/ai/claude/v1/chat/completions", content=content)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
            assert "type" not in answer.json()  # Anthropic's have it outside
    assert not mock_vendor.requests


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ai/", 404),
        ("POST", "/ai/claude", 404),
        ("POST", "/ai/claude/", 404),
        ("POST", "/ai/claude/v1/responses", 404),
        ("GET", "/ai/claude/v1/chat/completions", 405),
        ("DELETE", "/ai/claude/v1/models/x", 405),
        ("POST", "/ai/nobody/v1/chat/completions", 404),
        ("POST", "/ai/claude/v1/a%2f..%2fb", 400),
    ],
)
async def test_what_is_not_there_is_said_in_openais_dialect(
    method: str, path: str, status: int, mock_vendor: MockVendor, tmp_path: Path
) -> None:
    """Whatever the vendor's is; recorded, and nobody is asked."""
    async with bridge(tmp_path, mock_vendor) as flow:
        answer = await flow.client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] in {"not_found_error", "invalid_request_error"}
    assert answer.headers["x-sluice-exchange-id"]
    assert not mock_vendor.requests


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_value"),
        (b"{", "request_invalid"),
        (b"[]", "request_invalid"),
        (b'"x"', "request_invalid"),
        (b'{"model":"m"}', "invalid_value"),
        (b'{"messages":[]}', "invalid_value"),
        (b'{"model":7,"messages":[]}', "request_invalid"),
        (b'{"model":"m","messages":[],"stream":"yes"}', "request_invalid"),
        (b'{"model":"m","messages":"' + b"[" * 100_000 + b'"}', "invalid_value"),
        (b'{"model":"m","messages":' + b"[" * 100_000, "request_invalid"),
        (b"\xff\xfe", "request_invalid"),
    ],
)
async def test_bodies_that_are_none_are_refused(
    body: bytes, code: str, mock_vendor: MockVendor, tmp_path: Path
) -> None:
    """400, with a reason; never a fault of ours."""
    async with bridge(tmp_path, mock_vendor) as flow:
        answer = await flow.client.post("/ai/claude/v1/chat/completions", content=body)
        events = await flow.recorded()
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert events["proxy_log"]["outcome"] == "request_invalid"
    assert not mock_vendor.requests


async def test_what_the_vendor_has_not_is_refused_before_anything_is_held(
    mock_vendor: MockVendor, tmp_path: Path
) -> None:
    """400 with the member's path; nothing is charged, and the budget is as it was."""
    content = [
        {"type": "text", "text": "hi"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]
    async with bridge(tmp_path, mock_vendor, app={"monthly_budget": "1"}) as flow:
        answer = await chat(flow, messages=[{"role": "user", "content": content}])
        events = await flow.recorded()
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (
        400,
        "unsupported_parameter",
        "messages.0.content.1.type",
    )
    assert "anthropic" in error["message"]
    assert "budget" not in events
    assert not mock_vendor.requests


async def test_a_default_model_is_filled_in(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """As on all routes."""
    async with bridge(tmp_path, mock_vendor, claude={"default_model": CLAUDE}) as flow:
        answer = await flow.client.post("/ai/claude/v1/chat/completions", json={"messages": QUESTION})
    assert answer.json()["model"] == CLAUDE
    assert json.loads(mock_vendor.requests[-1].body)["model"] == CLAUDE


async def test_a_client_may_send_a_key_as_a_key(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """``x-api-key``: and none is a 401."""
    async with bridge(tmp_path, mock_vendor) as flow:
        body = json.dumps({"model": CLAUDE, "messages": QUESTION}).encode()
        head = f"POST /ai/claude/v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: {len(body)}\r\n"
        for key, status in ((b"x-api-key: flow-token\r\n", b"200"), (b"", b"401")):
            got, _, writer = await raw(flow, head.encode() + key + b"\r\n" + body, until=b"\r\n")
            writer.close()
            assert status in got

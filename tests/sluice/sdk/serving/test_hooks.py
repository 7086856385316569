"""Tests of ``sluice.sdk.serving.hooks``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
import pytest

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import AuthResponse, Context, Headers, PluginResponse, wire
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.testing import make_auth_request, make_context, make_request, make_response, make_stream_complete
from tests.sluice.sdk.serving.everything import Everything
from tests.sluice.sdk.serving.harness import Serving, serving


@pytest.fixture
async def plugin(tmp_path: Path) -> AsyncIterator[Serving]:
    """One with every capability."""
    async with serving(Everything(), tmp_path) as served:
        yield served


def context(exchange_id: str = "e-1", app_id: int | None = 7) -> Context:
    """Of one exchange."""
    return make_context(exchange_id=exchange_id, app_id=app_id)


async def test_a_request_goes_through_the_plugin_and_back(plugin: Serving) -> None:
    """Its headers removed and added, its body emptied, what it notes for others: nothing is lost on either way."""
    lines = Headers([("x-remove", "1"), ("accept", "a"), ("accept", "b")])
    request = make_request(b"body", query="q=1").replace(headers=lines)
    message = wire.enriched_request_to_wire(context(), request)
    answer = wire.plugin_response_from_wire(await plugin.stub.ProcessPostAuth(message), request)
    assert answer.headers is not None
    headers = Headers(answer.headers)
    assert "x-remove" not in headers
    assert (headers.get_all("accept"), headers["x-app"], headers["x-query"]) == (["a", "b"], "7", "q=1")
    assert (answer.body, answer.context_updates) == (b"", {"seen": "e-1"})


async def test_before_authentication_there_is_no_app(plugin: Serving) -> None:
    """0 on the wire, ``None`` in the context."""
    request = make_request(b"body")
    message = wire.plugin_request_to_wire(context(app_id=None), request)
    answer = wire.plugin_response_from_wire(await plugin.stub.ProcessPreAuth(message), request)
    assert answer.headers is not None
    assert Headers(answer.headers)["x-app"] == "None"


async def test_a_block_keeps_its_status_headers_and_message(plugin: Serving) -> None:
    """As in the host's own process."""
    request = make_request(b"block")
    answer = await plugin.stub.ProcessPreAuth(wire.plugin_request_to_wire(context(), request))
    expected = PluginResponse.block(429, "slow down", Headers({"retry-after": "1"}))
    assert wire.plugin_response_from_wire(answer, request) == expected


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"raise", "RuntimeError: told to"),
        (b"wrong", "WrongAnswer: handle_pre_auth returned a value of type dict, which is no answer of it"),
    ],
)
async def test_what_a_plugin_does_wrong_is_its_call_s_failure(plugin: Serving, body: bytes, said: str) -> None:
    """With its name; other calls go on."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await plugin.stub.ProcessPreAuth(pb.PluginRequest(body=body))
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INTERNAL, said)
    assert not (await plugin.stub.ProcessPreAuth(pb.PluginRequest())).modified


async def test_a_deadline_ends_its_call_alone(plugin: Serving) -> None:
    """The host's patience; a hundred calls that hang do not delay one that does not."""
    hanging = [plugin.stub.ProcessPreAuth(pb.PluginRequest(body=b"wait"), timeout=0.5) for _ in range(100)]
    assert not (await plugin.stub.ProcessPreAuth(pb.PluginRequest(), timeout=30)).modified
    for result in await asyncio.gather(*hanging, return_exceptions=True):
        assert isinstance(result, grpc.aio.AioRpcError)
        assert result.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert await plugin.served.calls.finished(30), "the plugin's own call goes on"


@pytest.mark.parametrize(
    ("credential", "expected"),
    [
        ("good", AuthResponse.accept(7, "ann", {"tier": "gold"}, "Ann")),
        ("other", AuthResponse.reject("unknown")),
        ("teapot", PluginResponse.block(418, "no coffee", Headers({"x-tea": "yes"}))),
    ],
)
async def test_whose_credential_it_is(plugin: Serving, credential: str, expected: object) -> None:
    """Accepted, rejected, or answered by the plugin itself."""
    message = wire.auth_request_to_wire(context(), make_auth_request(credential))
    assert wire.auth_response_from_wire(await plugin.stub.Authenticate(message)) == expected


async def test_apps_and_users_are_found_by_their_credential(plugin: Serving) -> None:
    """Whole, by an id, or not at all."""

    async def app(credential: str) -> object:
        found = wire.app_response_from_wire(
            await plugin.stub.GetAppByCredential(pb.GetAppRequest(credential=credential))
        )
        return getattr(found, "name", found)

    assert [await app("app"), await app("id"), await app("?")] == ["eight", 9, None]
    with pytest.raises(grpc.aio.AioRpcError, match="of type bool"):
        await app("yes")
    answer = await plugin.stub.GetUserByCredential(pb.GetUserRequest(credential="good"))
    user = wire.user_response_from_wire(answer)
    assert user is not None
    assert user.name == "Ann"


async def test_a_response_s_headers_and_pieces(plugin: Serving) -> None:
    """The headers' hook sees the request's id; what one piece leaves in ``ctx.state`` the next one finds."""
    ctx, response = context(), make_response(b"a")
    head = wire.headers_response_from_wire(
        await plugin.stub.OnBeforeWriteHeaders(wire.headers_request_to_wire(ctx, response)), response
    )
    assert head.headers is not None
    assert Headers(head.headers)["x-request-id"] == ctx.request_id
    bodies = []
    for exchange_id in ("e-1", "e-2", "e-1"):
        message = wire.response_write_to_wire(context(exchange_id), response.replace(is_stream_chunk=True))
        bodies.append(wire.response_write_from_wire(await plugin.stub.OnBeforeWrite(message), response).body)
    assert bodies == [b"a1", b"a1", b"a2"]


async def test_a_stream_that_ended(plugin: Serving) -> None:
    """With all that it was."""
    message = wire.stream_complete_to_wire(context(), make_stream_complete(b"abc", chunk_count=2))
    answer = wire.stream_complete_from_wire(await plugin.stub.OnStreamComplete(message))
    assert (answer.handled, answer.message) == (True, "2 3")


async def test_a_large_body_goes_through(plugin: Serving) -> None:
    """Hosts have their own bounds, larger than gRPC's usual 4 MiB."""
    request = make_request(b"x" * (12 << 20))
    answer = await plugin.stub.ProcessPreAuth(wire.plugin_request_to_wire(context(), request), timeout=30)
    assert answer.modified


def test_facts_of_these_tests() -> None:
    """The contexts above are of an exchange that has an id."""
    assert context().exchange_id == "e-1"
    assert ExchangeFacts().exchange_id == ""
